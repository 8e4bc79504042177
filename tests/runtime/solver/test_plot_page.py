"""The page of runs' curves."""

import json
import re
from dataclasses import replace

import pytest

from netdef.cli.main import run
from runtime.solver.curves import curves_of
from runtime.solver.log import JsonLog
from runtime.solver.plot_page import MOST, page

EVIL = "</script><img src=x onerror=alert(1)>"


def curves(label, count=3):
    records = [
        {"event": "train", "iteration": n, "loss": 1.0, "batch_loss": None if n == 1 else 1.0, "rate": 0.1} for n in range(count)
    ]
    test = {"event": "test", "iteration": count, "net": 0, "loss": 0.5, "outputs": {"top1": 0.75}, "accuracies": ["top1"]}
    return curves_of(label, [*records, test])


def data_in(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_what_is_in_it():
    text = page("two runs", [curves("a"), curves(EVIL)], reach=0.7)
    assert EVIL not in text and "<img" not in text
    first, second = data_in(text)["runs"]
    assert second["label"] == EVIL
    assert first["loss"]["batches"] == [[0, 1, 2], [1.0, None, 1.0]]
    assert first["accuracy"] == {"top1": [[3], [0.75]]}
    assert "error first under 30% after 3 iterations" in text and "top1 75.00%" in text
    assert 'id="rate"' in text and "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_long_runs_are_thinned_out():
    at, values = data_in(page("long", [curves("a", 10 * MOST + 7)]))["runs"][0]["loss"]["batches"]
    assert len(at) == len(values) <= MOST + 1 and at[-1] == 10 * MOST + 6


def test_spikes_and_nulls_of_long_runs_stay():
    values = [1.0] * 50_000
    values[777], values[7_777], values[33_333] = 900.0, -5.0, float("nan")
    one = replace(curves("a"), batches=(list(range(50_000)), values))
    at, shown = data_in(page("long", [one]))["runs"][0]["loss"]["batches"]
    assert [(n, value) for n, value in zip(at, shown, strict=True) if value != 1] == [(777, 900.0), (7_777, -5.0), (33_333, None)]


@pytest.mark.parametrize(("losses", "said"), [([1.0] * 3 + [None], "not a number"), ([None] * 9 + [2.0], "2"), ([], "")])
def test_the_table_has_the_last_values(losses, said):
    records = [{"event": "train", "iteration": n, "loss": loss, "batch_loss": loss} for n, loss in enumerate(losses)]
    for n, share in enumerate((0.75, 0.5, None if said == "not a number" else 0.25)):
        records.append({"event": "test", "iteration": n, "outputs": {"top1": share}, "accuracies": ["top1"]})
    accuracy = "top1 not a number, best 75.00%" if said == "not a number" else "top1 25.00%, best 75.00%"
    assert f"<td>{said}</td><td></td><td>{accuracy}</td>" in page("x", [curves_of("a", records)])


def test_a_run_is_followed_to_its_end(tmp_path, capsys):
    log = JsonLog(tmp_path / "log.jsonl")
    log.show({"event": "start", "name": "net", "iteration": 0, "max_iter": 9, "batch_size": 8})
    log.show({"event": "train", "iteration": 0, "loss": 2.0, "batch_loss": 2.0, "rate": 0.1})
    log.close()
    out = tmp_path / "x.html"
    assert run(["plot", str(tmp_path), "-o", str(out), "--follow"]) == 0
    assert data_in(out.read_text())["refresh"] is None
    assert capsys.readouterr().out.strip() == str(out)


def test_while_a_run_goes_on_the_page_reads_itself_again(tmp_path, monkeypatch):
    log = JsonLog(tmp_path / "log.jsonl")
    log.show({"event": "start", "name": "net", "iteration": 0, "max_iter": 9, "batch_size": 8})
    log.show({"event": "train", "iteration": 0, "loss": 2.0, "batch_loss": 2.0, "rate": 0.1})
    out, seen = tmp_path / "x.html", []

    def wait(seconds):
        seen.append(data_in(out.read_text())["refresh"])
        log.close()

    monkeypatch.setattr("netdef.cli.plot.time.sleep", wait)
    assert run(["plot", str(tmp_path), "-o", str(out), "--follow"]) == 0
    assert seen == [2.0] and data_in(out.read_text())["refresh"] is None


def test_a_run_that_has_just_begun_is_waited_for(tmp_path, monkeypatch, capsys):
    log = JsonLog(tmp_path / "log.jsonl")
    log.show({"event": "start", "name": "net", "iteration": 0, "max_iter": 9, "batch_size": 8})
    out = tmp_path / "x.html"

    def wait(seconds):
        assert not out.exists()
        log.show({"event": "test", "iteration": 3, "net": 0, "loss": 1.0, "outputs": {"top1": 0.75}, "accuracies": ["top1"]})
        log.close()

    monkeypatch.setattr("netdef.cli.plot.time.sleep", wait)
    assert run(["plot", str(tmp_path), "-o", str(out), "--follow", "--reach", "0.7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(out) and len(lines) == 2 and "after 3 iterations" in lines[1]


def test_ctrl_c_before_the_first_iteration(tmp_path, monkeypatch, capsys):
    log = JsonLog(tmp_path / "log.jsonl")
    log.show({"event": "start", "name": "net", "iteration": 0})

    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("netdef.cli.plot.time.sleep", interrupt)
    assert run(["plot", str(tmp_path), "-o", str(tmp_path / "x.html"), "--follow"]) == 0
    log.close()
    assert "is not written: no run has iterations yet" in capsys.readouterr().err and not (tmp_path / "x.html").exists()
