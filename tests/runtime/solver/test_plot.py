"""The picture of a run."""

import pytest
from PIL import Image

from netdef import NetdefError
from netdef.cli.main import run
from runtime.solver.log import JsonLog, read_log
from runtime.solver.plot import draw, title_of


@pytest.fixture
def log(tmp_path):
    log = JsonLog(tmp_path / "log.jsonl")
    log.show({"event": "start", "name": "net", "iteration": 0, "max_iter": 100, "batch_size": 8})
    for n in range(0, 100, 10):
        loss = 2 / (n + 1)
        log.show({"event": "train", "iteration": n, "loss": loss, "batch_loss": loss * 1.1, "rate": 0.1 if n < 50 else 0.01})
        outputs = {"top1": 0.9 if n == 50 else 0.01 * n / 2, "top5": 0.5 + 0.005 * n}
        test = {"loss": loss, "outputs": outputs, "accuracies": ["top1", "top5"]}
        log.show({"event": "test", "iteration": n, "net": 0, **test})
    log.close()
    return tmp_path


@pytest.mark.slow
def test_a_png_beside_the_log(log, capsys):
    assert run(["plot", str(log)]) == 0
    assert capsys.readouterr().out.strip() == str(log / "plot.png")
    with Image.open(log / "plot.png") as image:
        assert image.format == "PNG" and image.width > 1000
        assert len(image.convert("RGB").getcolors(1 << 24)) > 50


def test_what_is_drawn(log):
    records = read_log(log)
    assert title_of(records) == "net: 91 of 100 iterations in batches of 8"
    trained = [record for record in records if record["event"] == "train"]
    tested = [record for record in records if record["event"] == "test"]
    loss, accuracy, rate = draw("title", trained, tested).axes
    assert {line.get_label() for line in loss.lines} == {"training, single batches", "training, smoothed", "test"}
    assert list(loss.lines[0].get_xdata()) == list(range(0, 100, 10))
    labels = [text.get_text() for text in accuracy.get_legend().texts]
    assert labels == ["top1: 45.0% at the end, best 90.0%", "top5: 95.0% at the end"]
    assert rate.get_yscale() == "log"
    assert len(draw("title", trained, []).axes) == 2


def test_elsewhere(log, tmp_path):
    assert run(["plot", str(log / "log.jsonl"), "--out", str(tmp_path / "x.png")]) == 0
    assert (tmp_path / "x.png").exists()


def test_nothing_to_draw(tmp_path, capsys):
    assert run(["plot", str(tmp_path)]) == 2
    assert "log.jsonl" in capsys.readouterr().err
    (tmp_path / "log.jsonl").write_text('{"event":"start","iteration":0}\n')
    with pytest.raises(NetdefError, match="no iterations yet"):
        from runtime.solver.plot import plot

        plot(tmp_path)
