"""Which snapshots stay, when a run ends early, and what epochs are in iterations."""

import re
from pathlib import Path

import numpy as np
import pytest

from netdef.cli.main import run
from netdef.language.diagnostics import NetdefError
from netdef.weights import read_weights
from runtime.solver.best import Best
from runtime.solver.epochs import Count, Epoch, read_count
from runtime.solver.keep import Keep, read_keep, remove_old
from runtime.solver.log import read_log
from runtime.solver.results import TestResult
from runtime.solver.run_facts import facts_of
from tests.netdef.cli import images


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path)


def states(out):
    return sorted(int(path.stem.rpartition("_")[2]) for path in Path(out).glob("*.solverstate"))


def train(*arguments):
    return run(["train", "shades.net", "solver.txt", *arguments])


def test_rules():
    assert read_keep("best,last=3") == Keep(3, True)
    assert read_keep("last=2") == Keep(2, False)
    assert read_keep("best") == Keep(1, True)
    for text in ("", "last", "last=0", "last=x", "first"):
        with pytest.raises(NetdefError, match="--keep"):
            read_keep(text)


@pytest.mark.parametrize("end", ["", ".h5"])
def test_old_snapshots_go_and_other_files_stay(tmp_path, end):
    for number in (2, 4, 10, 20):
        for kind in (f"caffemodel{end}", "netdef.json", f"solverstate{end}"):
            (tmp_path / f"a_iter_{number}.{kind}").touch()
    others = [tmp_path / "b_iter_2.solverstate", tmp_path / "a_iter_2x.caffemodel", tmp_path / "a_iter_4.solverstate.txt"]
    for path in others:
        path.touch()
    removed = remove_old(tmp_path / "a", Keep(1, True), best=4)
    assert [path.name for path in removed] == [f"a_iter_2.solverstate{end}", f"a_iter_10.solverstate{end}"]
    left = {path.name for path in tmp_path.glob("a_iter_*")}
    kept = {f"a_iter_{number}.{kind}" for number in (4, 20) for kind in (f"caffemodel{end}", "netdef.json", f"solverstate{end}")}
    assert left == kept | {path.name for path in others if path.name.startswith("a_")}
    assert others[0].exists()


def test_a_run_keeps_the_last_and_the_best():
    assert train("--out", "a", "--keep", "best,last=2", "--test-every", "5", "--snapshot-every", "4") == 0
    tests = {r["iteration"]: r["outputs"]["accuracy"] for r in read_log("a") if r["event"] == "test"}
    best = max((n for n in tests), key=lambda n: (tests[n], -n))
    assert states("a") == sorted({best, 28, 30})
    assert sorted(path.name for path in Path("a").glob("*.caffemodel")) == sorted(
        f"shades_iter_{n}.caffemodel" for n in states("a")
    )


@pytest.mark.slow
def test_kept_or_not_the_weights_are_the_same():
    assert train("--out", "all", "--test-every", "5") == 0
    assert train("--out", "cut", "--test-every", "5", "--keep", "best", "--iterations", "13") == 0
    assert train("--out", "cut", "--test-every", "5", "--keep", "best", "--resume", "latest") == 0
    weights, others = (read_weights(f"{out}/shades_iter_30.caffemodel") for out in ("all", "cut"))
    for layer, arrays in weights.items():
        for array, other in zip(arrays, others[layer], strict=True):
            np.testing.assert_array_equal(array, other)


def test_a_run_without_better_tests_ends(capsys):
    Path("solver.txt").write_text(images.SOLVER.replace("base_lr: 0.02", "base_lr: 0"))
    assert train("--out", "a", "--patience", "2", "--test-every", "3") == 0
    assert "ended:     2 tests without a better one" in capsys.readouterr().out
    assert [r["iteration"] for r in read_log("a") if r["event"] == "test"] == [0, 3, 6]
    assert states("a") == [6]


def test_a_resumed_run_remembers_its_best_test():
    Path("solver.txt").write_text(images.SOLVER.replace("base_lr: 0.02", "base_lr: 0"))
    assert train("--out", "a", "--iterations", "4", "--test-every", "3") == 0
    assert train("--out", "a", "--resume", "latest", "--test-every", "3", "--patience", "3") == 0
    assert [r["iteration"] for r in read_log("a") if r["event"] == "test"] == [0, 3, 4, 6]


def test_the_best_of_a_run_that_is_extended_stays():
    """Its test at the end is not due when it goes on, and stays the best one: none with a rate of 0 is better."""
    Path("solver.txt").write_text(images.SOLVER.replace("base_lr: 0.02", "base_lr: 0"))
    assert train("--out", "a", "--iterations", "4", "--test-every", "7", "--keep", "best") == 0
    first = read_log("a")
    log = Path("a/log.jsonl")
    log.write_text(re.sub(r'("event":"test","iteration":0,.*"accuracy":)[^,}]*', r"\g<1>-1.0", log.read_text()))
    assert read_log("a") != first
    assert train("--out", "a", "--resume", "latest", "--iterations", "9", "--test-every", "7", "--keep", "best") == 0
    assert [r["iteration"] for r in read_log("a") if r["event"] == "test"] == [0, 4, 7, 9]
    assert states("a") == [4, 9] and facts_of(Path("a")).best_iteration == 4


def test_the_best_is_found_in_a_log():
    best = Best()
    records = [{"event": "test", "iteration": n, "net": 0, "loss": loss, "outputs": {}, "accuracies": []} for n, loss in
               ((0, 3.0), (5, 1.0), (10, 2.0), (15, 0.5))]  # fmt: skip
    best.take_log([{"event": "note"}, *records, {"event": "test", "iteration": 6, "net": 1, "loss": 0.0}], 15)
    assert (best.iteration, best.value, best.since, best.name) == (5, 1.0, 1, "loss")
    assert not best.take(TestResult(15, 0, float("nan"), {}, ()))


def test_counts():
    assert read_count("500") == Count(500, False)
    assert read_count("1 epoch") == Count(1, True)
    assert read_count("0.5 epochs") == Count(0.5, True)
    for text in ("", "0", "-1", "1.5", "0 epochs", "nan epochs", "1 era", "epoch"):
        with pytest.raises(ValueError):
            read_count(text)
    assert Count(90, True).iterations(Epoch(1_281_167, 128)) == 900_821
    assert Count(3, True).iterations(Epoch(1000, 100)) == 30


def test_a_run_of_epochs(capsys):
    assert train("--out", "a", "--data", "images", "--epochs", "2", "--test-every", "1 epoch") == 0
    out = capsys.readouterr().out
    assert "an epoch is 16 images, 4.00 iterations; to iteration 8" in out
    assert "iteration      5  epoch 1.25    loss" in out
    assert [r["iteration"] for r in read_log("a") if r["event"] == "test"] == [0, 4, 8]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--epochs", "1", "--iterations", "1"], "exclude each other"),
        (["--test-every", "often"], "--test-every often is no count"),
        (["--keep", "all"], "--keep all: all is no rule"),
        (["--epochs", "1e12"], "max_iter would be"),
    ],
)
def test_wrong_counts_leave_no_run(arguments, says, capsys):
    assert train(*arguments) == 2
    assert says in capsys.readouterr().err
    assert not list(Path().glob("runs/*"))


def test_what_needs_tests_says_so(capsys):
    Path("solver.txt").write_text(images.SOLVER.replace("test_iter: 5 test_interval: 10", ""))
    assert train("--patience", "2") == 2
    assert "--patience needs tests: solver.txt asks for none" in capsys.readouterr().err


def test_data_without_an_end_have_no_epochs(capsys):
    text = "layer data: DummyData -> data { shape { dim: 2 dim: 3 } }\nlayer fc: InnerProduct(data) { num_output: 2 }\n"
    Path("dummy.net").write_text(text + "layer loss: EuclideanLoss(fc, fc)\n")
    assert run(["train", "dummy.net", "solver.txt", "--epochs", "2"]) == 2
    assert "dummy.net has no data that end: there are no epochs to count" in capsys.readouterr().err
