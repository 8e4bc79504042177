"""The picture of a run."""

from dataclasses import replace

import pytest
from PIL import Image

from netdef import NetdefError
from netdef.cli.main import run
from runtime.solver.curves import curves_of
from runtime.solver.log import JsonLog, read_log
from runtime.solver.plot import draw, draw_together, plot, title_of


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
    loss, accuracy, rate = draw("title", curves_of("net", records)).axes
    assert {line.get_label() for line in loss.lines} == {"training, single batches", "training, smoothed", "test"}
    assert list(loss.lines[0].get_xdata()) == list(range(0, 100, 10))
    labels = [text.get_text() for text in accuracy.get_legend().texts]
    assert labels == ["top1: 45.0% at the end, best 90.0%", "top5: 95.0% at the end"]
    assert rate.get_yscale() == "log" and list(rate.get_yticks()) == [0.01, 0.1]
    trained = [record for record in records if record["event"] == "train"]
    assert len(draw("title", curves_of("net", trained)).axes) == 2


@pytest.mark.slow
def test_elsewhere(log, tmp_path):
    assert run(["plot", str(log / "log.jsonl"), "--out", str(tmp_path / "x.png")]) == 0
    assert (tmp_path / "x.png").exists()


def test_names_are_drawn_as_they_are(log):
    r"""A dollar sign begins no formula, and an underscore hides no curve."""
    curves, evil = curves_of("_m$x^$", read_log(log)), "a$x^$"
    for figure in (draw(evil, replace(curves, accuracies={evil: curves.accuracies["top1"]})), draw_together([curves, curves])):
        figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == [" _m$x^$"] * 2


def test_nothing_to_draw(tmp_path, capsys):
    assert run(["plot", str(tmp_path)]) == 2
    assert "log.jsonl" in capsys.readouterr().err
    (tmp_path / "log.jsonl").write_text('{"event":"start","iteration":0}\n')
    with pytest.raises(NetdefError, match="no iterations yet"):
        plot(tmp_path)


@pytest.mark.parametrize("rates", [[0.1, 0.09, 0.03], [0.01 * 0.999**n for n in range(4000)], [0.01, 0.01], [0.0, 0.1]])
def test_ticks_of_rates_are_few(rates):
    records = [{"event": "train", "iteration": n, "loss": 1.0, "batch_loss": 1.0, "rate": rate} for n, rate in enumerate(rates)]
    figure = draw("title", curves_of("net", records))
    figure.canvas.draw()
    axis = figure.axes[-1]
    low, high = axis.get_ylim()
    labels = zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
    ticks = [label.get_text() for at, label in labels if low <= at <= high]
    minor = [label.get_text() for label in axis.get_yticklabels(minor=True)]
    assert 1 <= len(ticks) <= 6 and not any(minor)


def test_other_endings(log, tmp_path, capsys):
    assert run(["plot", str(log), "-o", str(tmp_path / "x.svg"), "--reach", "0.9"]) == 0
    assert (tmp_path / "x.svg").read_text().lstrip().startswith("<?xml")
    assert capsys.readouterr().out.splitlines()[1:] == [f"{log.name}: error first under 10% after 50 iterations"]
    for arguments, said in ((["-o", "x.jpg"], "a picture ends in .png, .svg or .html"), (["--follow"], "add -o run.html")):
        assert run(["plot", str(log), *arguments]) == 2
        assert said in capsys.readouterr().err
