"""`Run`: the directory of a run as an object."""

import json
from pathlib import Path

import pytest

import runtime
from netdef import NetdefError
from netdef.cli.main import run
from tests.netdef.cli import images


def write_log(folder, *records):
    folder.mkdir(exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


START = {"event": "start", "name": "<b>", "iteration": 0, "max_iter": 20, "devices": "cpu", "seed": 7}
TEST = {"event": "test", "net": 0, "outputs": {"accuracy": 0.5}, "accuracies": ["accuracy"], "loss": 0.7}
TRAIN = {"event": "train", "loss": 0.9, "rate": 0.1, "outputs": {}}


def test_what_its_log_says(tmp_path):
    write_log(tmp_path / "r", START, {**TRAIN, "iteration": 3}, {**TEST, "iteration": 4}, {**TRAIN, "iteration": 9})
    found = runtime.Run(tmp_path / "r")
    assert (found.iteration, found.state, found.best.value, found.best.iteration) == (10, "not ended", 0.5, 4)
    assert repr(found) == f"<Run '{tmp_path / 'r'}' '<b>': iteration 10 of 20, not ended; best accuracy 0.5 at iteration 4; on cpu>"
    assert found.tests(frame=False) == [{"iteration": 4, "net": 0, "loss": 0.7, "accuracy": 0.5}]
    assert [row["loss"] for row in found.training(frame=False)] == [0.9, 0.9]
    page = found._repr_html_()
    assert "<td>seed</td><td>7</td>" in page and "<td>4</td><td>0</td><td>0.7</td><td>0.5</td>" in page and "<b>" not in page
    with open(tmp_path / "r/log.jsonl", "a") as log:
        log.write(json.dumps({"event": "end", "reason": "finished", "iteration": 20}) + '\n{"event": "tr')
    assert found.state == "not ended"
    found.refresh()
    assert (found.state, found.iteration) == ("finished", 20)


def test_a_run_that_was_just_begun(tmp_path):
    write_log(tmp_path / "r", START)
    found = runtime.Run(tmp_path / "r")
    assert (found.iteration, found.best.value, found.tests(frame=False)) == (0, None, [])
    assert "best" not in repr(found) and found._repr_html_()
    with pytest.raises(NetdefError, match="there is no snapshot under"):
        found.weights  # noqa: B018


def test_no_run(tmp_path):
    with pytest.raises(NetdefError, match="cannot read"):
        runtime.Run(tmp_path)
    write_log(tmp_path / "r", {"event": "note", "text": "x"})
    with pytest.raises(NetdefError, match="has no start of a run"):
        runtime.Run(tmp_path / "r")
    with pytest.raises(NetdefError, match="the directory of a run"):
        runtime.Run(7)


def test_its_net_runs_with_its_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path, each=3)
    assert run(["train", "shades.net", "solver.txt", "--out", "run", "--iterations", "2"]) == 0
    found = runtime.Run("run")
    assert found.weights == Path("run/shades_iter_2.caffemodel") and found.net.phase == "test"
    with found.compile(batch_size=6) as exe:
        assert exe.forward()["accuracy"] == pytest.approx(found.tests(frame=False)[-1]["accuracy"], abs=0.35)
        assert exe.param("fc", 0).any()
