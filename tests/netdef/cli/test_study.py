"""`netdef study`: variants from several seeds, one table."""

import re
from pathlib import Path

import pytest

from netdef import load
from netdef.cli.main import run
from netdef.cli.study import best_rate
from netdef.cli.study_dry_run import left_of, side_by_side
from netdef.language.diagnostics import NetdefError
from netdef.language.find import models_folder
from runtime.solver.comparison import Run, run_of, table
from runtime.solver.log import read_log
from tests.netdef.cli import images

SOLVER = images.SOLVER.replace("max_iter: 30", "max_iter: 6").replace("test_interval: 10", "test_interval: 3")
PAPER = sorted(path.stem for path in (models_folder() / "paper").glob("*.net"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path)
    Path("solver.txt").write_text('net: "elsewhere.net"' + SOLVER)
    text = images.NET.replace("layer relu: ReLU", "layer relu: TanH").replace("Dropout(conv) -> conv", "Dropout(conv)")
    Path("tanh.net").write_text(text.replace("InnerProduct(conv)", "InnerProduct(drop)"))


def study(*arguments):
    return run(["study", "shades.net", "tanh.net", "--solver", "solver.txt", *arguments])


@pytest.mark.slow
def test_a_study_is_trained_once_and_goes_on(capsys):
    assert study("--seeds", "2", "--reach", "0.5") == 0
    lines = capsys.readouterr().out.splitlines()[-4:]
    found = {name: [run_of(read_log(f"study/{name}-{seed}"), 0.5) for seed in (1, 2)] for name in ("shades", "tanh")}
    assert lines == table(found, 0.5)
    assert lines[0].split() == ["accuracy", "best", "difference", "train", "loss", "to", "50%"]
    assert lines[2].startswith("tanh")
    logs = {path: path.read_bytes() for path in Path("study").rglob("log.jsonl")}
    assert len(logs) == 4
    seeds = {record["seed"] for path in logs for record in read_log(path) if record["event"] == "start"}
    assert seeds == {1, 2}
    assert study("--seeds", "2", "--reach", "0.5") == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert {path: path.read_bytes() for path in logs} == logs

    # One run is interrupted after a snapshot, one before any: both are done again to the same end.
    whole = {name: Path(f"study/{name}-1/{name}_iter_6.caffemodel").read_bytes() for name in ("shades", "tanh")}
    for name in whole:
        log = Path(f"study/{name}-1/log.jsonl")
        log.write_text("".join(line for line in log.read_text().splitlines(True) if '"end"' not in line))
    for path in Path("study/tanh-1").glob("tanh_iter_*"):
        path.unlink()
    assert study("--seeds", "2", "--reach", "0.5") == 0
    assert capsys.readouterr().out.splitlines()[-4:] == lines
    assert {name: Path(f"study/{name}-1/{name}_iter_6.caffemodel").read_bytes() for name in whole} == whole


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shades.net", "images/../shades.net"], "two nets are called shades"),
        (["shades.net", "none.net"], "none.net"),
        (["shades.net", "--set", "solver.random_seed=7"], "a study's runs have seeds 1 to 3"),
        (["shades.net", "--set", "solver.base_lr=1", "--rates", "0.1"], "--rates and --set solver.base_lr=1 exclude each other"),
        (["shades.net", "--set", "solver.max_iter=7", "--iterations", "6"], "--iterations 6 and --set solver.max_iter=7 exclude"),
    ],
)
def test_wrong_arguments_are_found_before_training(arguments, said, capsys):
    assert run(["study", *arguments, "--solver", "solver.txt"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("study").exists()


def test_another_solver_is_another_study(capsys):
    assert run(["study", "shades.net", "--solver", "solver.txt", "--seeds", "1", "--iterations", "1"]) == 0
    assert run(["study", "shades.net", "--solver", "solver.txt", "--seeds", "1", "--iterations", "2"]) == 2
    assert "study holds another study" in capsys.readouterr().err


def test_a_table():
    runs = {"a": [Run("top1", 0.5, 0.6, 1.0, 10), Run("top1", 0.7, 0.7, 2.0, 20)],
            "b": [Run("top1", 0.4, 0.5, 3.0), Run("top1", 0.6, 0.6, 3.0, 40)]}  # fmt: skip
    text = "\n".join(table(runs, 0.5))
    for part in ("60.00 +- 14.14%", "65.00 +- 7.07%", "-10.00 +- 0.00%", "1.5000 +- 0.7071", "40 (1 of 2)", " 15 +- 7\n"):
        assert part in text
    assert "3.0 +- 1.4 epochs" in "\n".join(table({"a": [Run("top1", 0.5, 0.6, 1.0, 10, epoch) for epoch in (2.0, 4.0)]}, 0.5))
    alone = table({"a": [Run("", float("nan"), float("nan"), 1.5)], "b": [Run("", float("nan"), float("nan"), 1.0)]})
    assert [line.split() for line in alone[:3]] == [["train", "loss", "difference"], ["a", "1.5000"], ["b", "1.0000", "-0.5000"]]
    assert alone[3].startswith("of one seed")


@pytest.mark.parametrize("name", PAPER)
def test_variants_of_the_paper(name):
    """Each trains and tests; but for one tower and its size, all have AlexNet's weights."""
    path = str(models_folder() / "paper" / f"{name}.net")
    for phase in ("train", "test"):
        net, whole = load(path, phase), load("alexnet", phase)
        assert net.layer("fc8").tops[0].shape == whole.layer("fc8").tops[0].shape
        if name != "one_tower":
            shapes, expected = ([parameter.shape for parameter in one.parameters] for one in (net, whole))
            assert shapes == expected


def test_each_net_gets_its_best_rate(capsys):
    arguments = ["--seeds", "1", "--rates", "0.001,0.05,3e38", "--reach", "0.6", "--threads", "1", "--epochs", "2"]
    assert study(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()[-6:]
    assert lines[-3] == "rates by one run at each of 0.001, 0.05, 3e+38, of seed 0:"
    for line in lines[-2:]:
        name, rate = line.split()
        runs = {one: run_of(read_log(f"study/{name}-rate-{one}"), 0.6) for one in ("0.001", "0.05")}
        assert rate == best_rate({float(one): run for one, run in runs.items()}).__format__("g")
        assert {record["rate"] for record in read_log(f"study/{name}-1") if record["event"] == "train"} == {float(rate)}
        assert read_log(f"study/{name}-rate-3e+38")[-1]["reason"] == "diverged"
    assert study(*arguments) == 0  # nothing is trained again
    assert capsys.readouterr().err == ""


def test_the_best_rate():
    slow, fast, never = Run("top1", 0.9, 0.9, 1.0, 30), Run("top1", 0.8, 0.9, 1.0, 10), Run("top1", 0.7, 0.7, 1.0)
    failed = Run("", float("nan"), float("nan"), float("nan"))
    assert best_rate({0.1: slow, 0.2: fast, 0.3: never, 0.4: failed}) == 0.2
    assert best_rate({0.3: never, 0.5: Run("top1", 0.6, 0.7, 1.0)}) == 0.3
    assert best_rate({0.3: Run("loss", 2.0, 2.0, 1.0), 0.5: Run("loss", 1.0, 1.0, 1.0)}) == 0.5
    with pytest.raises(NetdefError, match="gives a loss that is a number"):
        best_rate({0.1: failed})


def test_a_dry_run_says_what_is_left_and_writes_nothing(capsys):
    arguments = ["--seeds", "2", "--threads", "1"]
    assert study(*arguments, "--dry-run", "--rates", "0.1,0.2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines if line.endswith("for 4 runs")] == ["shades", "tanh"]
    assert lines[-1].startswith("the study takes about ") and lines[-1].endswith(", no nets with problems")
    assert not Path("study").exists()
    assert run(["study", "shades.net", "--solver", "solver.txt", *arguments[2:], "--seeds", "1"]) == 0
    log = Path("study/shades-1/log.jsonl")
    capsys.readouterr()
    assert study(*arguments, "--dry-run") == 0
    out = capsys.readouterr().out
    assert re.search(r"^shades: .* for 1 runs?$", out, re.M) and re.search(r"^tanh: .* for 2 runs$", out, re.M)
    log.write_text("".join(line for line in log.read_text().splitlines(True) if '"end"' not in line))
    assert [left_of(Path(f"study/shades-{seed}")) for seed in (1, 2)] == [0, 1]
    Path("shades.net").write_text(images.NET.replace("num_output: 2", "num_output: 3"))
    assert study(*arguments, "--dry-run", "--over", "cpu,cpu") == 1
    out = capsys.readouterr().out
    assert "PROBLEM: the net has 3 classes" in out and " on 2 devices, 1 net with problems" in out


@pytest.mark.parametrize("rates", ["a", "0.1,", "0", "-1", "inf", "nan", ""])
def test_wrong_rates(rates, capsys):
    assert study("--rates", rates) == 2
    assert "are no rates" in capsys.readouterr().err


def test_there_are_variants():
    assert PAPER == ["alexnet", "no_augmentation", "no_color_shift", "no_dropout", "no_lrn", "one_tower", "pool_2x2", "tanh"]


@pytest.mark.slow
def test_a_study_over_devices_is_the_same(capsys):
    assert study("--seeds", "1", "--threads", "1") == 0
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert study("--seeds", "1", "--threads", "1", "--over", "cpu,cpu", "--out", "over") == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert "done:" in Path("over/tanh-1.txt").read_text()


def test_a_run_that_fails_is_named(capsys, monkeypatch):
    monkeypatch.setattr("netdef.cli.study_devices.sys.executable", "false")
    assert study("--seeds", "1", "--over", "cpu") == 2
    assert "study/shades-1 failed" in capsys.readouterr().err
    for also in ([], ["--dry-run"]):
        assert study("--seeds", "1", "--over", "cpu", "--devices", "cpu", *also) == 2
        assert "exclude each other" in capsys.readouterr().err


def test_how_long_runs_take_side_by_side():
    assert side_by_side([3, 1, 1, 2], 1) == 7
    assert side_by_side([3, 1, 1, 2], 2) == 4
    assert side_by_side([5], 4) == 5
    assert side_by_side([], 2) == 0
