"""The table of runs."""

import csv
import json
import sys
from pathlib import Path

import pytest

from netdef.cli.main import run
from tests.netdef.diff.test_short import NET, SOLVER


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, (name, rate, accuracy) in enumerate(
        (("runs/small-1", 0.1, 0.5), ("runs/small-2", 0.01, 0.75), ("runs/deep/small-3", 0.1, 0.25))
    ):
        Path(name).mkdir(parents=True)
        Path(name, "net.net").write_text(NET)
        Path(name, "solver.txt").write_text(SOLVER.replace("0.1", str(rate)))
        start = {"event": "start", "name": "small", "iteration": 0, "max_iter": 20, "time": 100.0 + number}
        test = {
            "event": "test",
            "iteration": 20,
            "net": 0,
            "loss": 1,
            "outputs": {"top1": accuracy},
            "accuracies": ["top1"],
            "time": 165.0,
        }
        end = {"event": "end", "reason": "finished", "iteration": 20, "time": 170.0}
        Path(name, "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (start, test, end)))


def test_the_table(capsys):
    assert run(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "state", "iterations", "best", "last", "time", "differs", "from", "the", "first"]
    assert lines[1].split() == ["runs/small-1", "finished", "20", "of", "20", "50.00%", "at", "20", "50.00%", "1:10"]
    assert lines[2].endswith("base_lr 0.1 -> 0.01")
    assert lines[3].startswith("runs/deep/small-3") and lines[4] == "best and last: top1 of tests"


def test_other_orders_and_forms(capsys):
    assert run(["runs", "--sort", "best", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["run"], one["best"]) for one in found] == [
        ("runs/small-2", 0.75),
        ("runs/small-1", 0.5),
        ("runs/deep/small-3", 0.25),
    ]
    assert found[1]["differences"] == ["base_lr 0.01 -> 0.1"]
    assert run(["runs", "runs/small-2", "runs/deep", "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["run"] for row in rows] == ["runs/small-2", "runs/deep/small-3"] and rows[0]["loss"] == ""


def test_names_with_escapes_and_logs_of_others(capsys, monkeypatch):
    monkeypatch.setattr(
        "click.echo", lambda text, err=False: print(text, file=sys.stderr if err else sys.stdout)
    )  # as to a terminal
    Path("runs/small-2").rename("runs/a\x1b[31mb")
    Path("runs/foreign").mkdir()
    Path("runs/foreign/log.jsonl").write_text("hello\n")
    assert run(["runs"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out and "small-1" in out
    assert err == "warning: runs/foreign/log.jsonl is no log of a run: no line of it says that one started\n"


def test_a_run_that_diverged_is_not_the_best(capsys):
    log = Path("runs/small-1/log.jsonl")
    log.write_text(log.read_text().replace('["top1"]', "[]").replace("finished", "diverged"))
    assert run(["runs", "--sort", "best"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["runs/small-2", "runs/deep/small-3", "runs/small-1"]
    assert lines[3].split()[5:9] == ["1", "at", "20", "1:10"]


def test_a_run_without_a_net_and_one_not_begun(capsys):
    Path("runs/small-1/net.net").unlink()
    Path("runs/none").mkdir()
    Path("runs/none/log.jsonl").touch()
    assert run(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["runs/small-1", "runs/small-2", "runs/deep/small-3", "runs/none"]
    assert lines[0].endswith("differs from runs/small-2") and lines[3].endswith("base_lr 0.01 -> 0.1")
    assert all(lines[row].endswith("it has no net.net to compare") for row in (1, 4))


def test_a_damaged_log_leaves_the_others(capsys):
    Path("runs/small-1/log.jsonl").write_text('{"event": "start", "time": "x"}\n')
    assert run(["runs"]) == 0
    out, err = capsys.readouterr()
    assert "small-2" in out and "warning: runs/small-1/log.jsonl is damaged" in err


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("n" * 300, "there is no folder nnn"),
        ("nothere", "there is no folder nothere"),
        ("runs/small-1/log.jsonl", "log.jsonl is a file"),
        ("empty", "there is no run in empty"),
    ],
)
def test_folders_without_runs(argument, said, capsys):
    Path("empty").mkdir()
    assert run(["runs", argument]) == 2
    assert said in capsys.readouterr().err
