"""The loop: in which order it tests, shows, writes and stops."""

from pathlib import Path

import numpy as np
import pytest

import runtime
from netdef.language.diagnostics import NetdefError
from netdef.weights import read_weights
from runtime.data.files import FileSamples
from runtime.solver.display import Reporter
from runtime.solver.loop import Clock, TrainingLoop, display_interval
from tests.netdef.cli import images


class Records:
    """A sink that keeps what is reported to it."""

    def __init__(self, live=False):
        self.live = live
        self.kept = []

    def show(self, record):
        self.kept.append(record)

    def close(self):
        pass

    def order(self):
        kept = [r for r in self.kept if r["event"] in ("test", "snapshot") or r.get("due")]
        return [(r["event"], r["iteration"]) for r in kept]


class StopAfter:
    """A stop request that comes when it is asked about for the n-th time."""

    def __init__(self, n):
        self.left = n

    def __bool__(self):
        self.left -= 1
        return self.left < 0


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path)


def go(more="", stop=(), out=".", resume=None, text=images.SOLVER):
    solver = runtime.Solver(text + more, "shades.net", threads=1, out=out)
    records = Records()
    if resume:
        solver.restore(resume)
    try:
        return TrainingLoop(solver, Reporter(records), stop).run(), records
    finally:
        solver.close()


SHORT = images.SOLVER.replace("max_iter: 30", "max_iter: 7").replace("test_interval: 10", "test_interval: 3")


def test_the_order_of_things():
    outcome, records = go("snapshot: 3", text=SHORT.replace("display: 5", "display: 2"))
    assert records.order() == [
        ("test", 0), ("train", 0), ("train", 2), ("snapshot", 3), ("test", 3), ("train", 4), ("snapshot", 6), ("test", 6),
        ("train", 6), ("snapshot", 7), ("test", 7),
    ]  # fmt: skip
    assert not outcome.interrupted
    assert outcome.snapshot == Path("shades_iter_7.solverstate")
    assert outcome.clock.iterations == 7


def test_no_snapshot_after_training():
    outcome, _ = go("snapshot_after_train: false", text=SHORT)
    assert outcome.snapshot is None


def test_the_best_test_is_remembered():
    outcome, records = go()
    accuracies = {r["iteration"]: r["outputs"]["accuracy"] for r in records.kept if r["event"] == "test"}
    assert outcome.best.value == max(accuracies.values())
    assert accuracies[outcome.best.iteration] == outcome.best.value
    assert outcome.best.name == "accuracy"


@pytest.mark.parametrize("asked", [1, 3, 8, 9, 14, 20, 21])
def test_stopped_anywhere_and_resumed_is_the_same(asked):
    """Before an iteration or in the middle of a test: images, masks, momentum and tests go on where they were."""
    _, whole = go(text=SHORT, out="whole")
    outcome, cut = go(text=SHORT, out="cut", stop=StopAfter(asked))
    assert outcome.interrupted
    _, rest = go(text=SHORT, out="cut", resume=outcome.snapshot)
    weights, others = (read_weights(f"{out}/shades_iter_7.caffemodel") for out in ("whole", "cut"))
    for layer, arrays in weights.items():
        for array, other in zip(arrays, others[layer], strict=True):
            np.testing.assert_array_equal(array, other)
    tests = [{r["iteration"]: r["loss"] for r in records.kept if r["event"] == "test"} for records in (whole, cut, rest)]
    assert {**tests[1], **tests[2]} == tests[0]


def unless_broken(broken, train):
    """FileSamples.load, but that an image of one phase cannot be read."""
    load = FileSamples.load

    def tried(self, position):
        if position == broken and self._settings.train == train:
            raise NetdefError(f"image {broken} is wrong")
        return load(self, position)

    return tried


@pytest.mark.parametrize(("more", "kept"), [("", 3), ("iter_size: 2", 1)])
def test_data_that_cannot_be_read_lose_nothing(more, kept, monkeypatch):
    """What was trained is kept, and a run with the data mended ends as one that never met the error."""
    text = SHORT.replace("test_interval: 3", "test_interval: 100")
    go(more, text=text, out="whole")
    load = FileSamples.load
    monkeypatch.setattr(FileSamples, "load", unless_broken(13, train=True))
    with pytest.raises(NetdefError, match="image 13 is wrong"):
        go(more, text=text, out="cut")
    monkeypatch.setattr(FileSamples, "load", load)
    go(more, text=text, out="cut", resume=Path(f"cut/shades_iter_{kept}.solverstate"))
    weights, others = (read_weights(f"{out}/shades_iter_7.caffemodel") for out in ("whole", "cut"))
    for layer, arrays in weights.items():
        for array, other in zip(arrays, others[layer], strict=True):
            np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("how", ["unread", "diverged"])
def test_a_test_that_fails_leaves_its_data_where_they_were(how, monkeypatch):
    """A snapshot of then tests from the same images again."""
    text = images.SOLVER.replace("test_iter: 5", "test_iter: 2")
    with runtime.Solver(text, "shades.net", threads=1) as solver:
        before, whole = solver.side_state()["sources"], solver.executable.param("fc", 1).copy()
        with monkeypatch.context() as patch:
            if how == "unread":
                patch.setattr(FileSamples, "load", unless_broken(6, train=False))
            else:
                solver.executable.set_param("fc", 1, np.full_like(whole, np.inf))
            with pytest.raises(NetdefError, match="image 6 is wrong" if how == "unread" else "at iteration 0"):
                solver.test()
        assert solver.side_state()["sources"] == before
        solver.executable.set_param("fc", 1, whole)
        (after,) = solver.test()
    with runtime.Solver(text, "shades.net", threads=1) as fresh:
        assert fresh.test()[0] == after


def test_an_error_of_data_is_not_lost_to_one_of_the_disk(monkeypatch):
    monkeypatch.setattr(FileSamples, "load", unless_broken(13, train=True))

    def full(self):
        raise NetdefError("the disk is full")

    monkeypatch.setattr(runtime.Solver, "snapshot", full)
    with pytest.raises(NetdefError, match=r"image 13 is wrong(.|\n)*the disk is full"):
        go(text=SHORT.replace("test_interval: 3", "test_interval: 100"))


def test_how_often_a_line_is_shown():
    def interval(text):
        return display_interval(runtime.Solver(text, "shades.net", threads=1).parameters)

    text = images.SOLVER.replace("display: 5", "")
    assert interval(images.SOLVER) == 5
    assert interval(text + "display: 0") == 0
    assert interval(text) == 1
    assert interval(text.replace("max_iter: 30", "max_iter: 450000")) == 100


def test_the_time_that_is_left():
    clock = Clock()
    clock.train(9.0)
    assert clock.remaining(10, 0) is None
    clock.train(1.0)
    clock.train(2.0)
    clock.test(30.0)
    clock.test(4.0)
    assert clock.remaining(10, 2) == 10 * 1.5 + 2 * 4.0
    assert (clock.training, clock.testing) == (12.0, 34.0)
