"""Whole runs on a card that read losses when something is shown or kept: what they report, write and refuse is the CPU's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netdef.cli.main
import runtime
from netdef import NetdefError
from runtime.solver.display import Reporter
from runtime.solver.diverged import DivergedError
from runtime.solver.loop import TrainingLoop
from runtime.solver.solver import Solver
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.networks import IMAGES, LENET, inputs

Machine = Callable[..., Cards]


class Records:
    """A sink that keeps what is reported to it."""

    live = False

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def show(self, record: dict[str, Any]) -> None:
        self.kept.append(record)

    def close(self) -> None:
        pass

    @property
    def order(self) -> list[tuple[str, int]]:
        return [(record["event"], record["iteration"]) for record in self.kept]

    @property
    def numbers(self) -> list[float]:
        return [record[name] for record in self.kept for name in ("loss", "batch_loss", "rate") if name in record]

    def since(self, iteration: int) -> Records:
        later = Records()
        later.kept = [record for record in self.kept if record["iteration"] >= iteration]
        return later


def check(found: Records, expected: Records) -> None:
    assert found.order == expected.order
    assert found.numbers == pytest.approx(expected.numbers, rel=1e-4)


RUN = {
    "base_lr": 0.01, "lr_policy": '"fixed"', "momentum": 0.9, "max_iter": 11, "average_loss": 3, "random_seed": 7, "display": 4,
    "snapshot_after_train": "false", "snapshot_prefix": '"run"',
}  # fmt: skip
TESTED = IMAGES.replace("train layer data", "layer data") + "test layer top1: Accuracy(fc, label)\n"


def solver_text(**fields: Any) -> str:
    return "\n".join(f"{name}: {value}" for name, value in {**RUN, **fields}.items())


def start(devices: str, out: str = ".", **fields: Any) -> Solver:
    return Solver(solver_text(**fields), "images.net", devices, out=out)


class StopAfter:
    """A stop request that comes when it is asked about for the n-th time."""

    exit_code = 130

    def __init__(self, times: float):
        self.left = times

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0


def go(devices: str, resume: str | None = None, out: str = ".", stop: float = float("inf"), **fields: Any) -> Records:
    """A whole run, resumed or not, or interrupted; what a DivergedError says is the last record."""
    records = Records()
    with start(devices, out, **fields) as run:
        if resume:
            run.restore(resume)
        try:
            TrainingLoop(run, Reporter(records), StopAfter(stop)).run()  # type: ignore[arg-type]
        except DivergedError as error:
            records.kept.append({"event": error.diagnostics[0].message.split(":")[0], "iteration": error.iteration})
    return records


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("images.net").write_text(TESTED)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("places", "fields"),
    [
        (1024, {}),
        (3, {}),
        (3, {"display": 0}),
        (5, {"iter_size": 2}),
        (1024, {"type": '"Adam"', "warmup_iter": 4}),
        (1024, {"type": '"AdaDelta"', "delta": 1e-3, "clip_gradients": 0.5}),
        (1024, {"larc": "true", "larc_eta": 0.05}),
        (1024, {"snapshot": 3, "test_iter": 5, "test_interval": 5}),
    ],
)
def test_a_run_reports_what_the_cpus_reports(
    machine: Machine, execute: Callable, folder: Path, rounds, places: int, fields: Any
) -> None:
    expected = go("cpu", **fields)
    rounds(places)
    machine(execute=execute, seed=places)
    check(go("gpu:0", out="card", **fields), expected)


@pytest.mark.slow
def test_interrupted_and_resumed_between_two_displays(machine: Machine, execute: Callable, folder: Path, rounds) -> None:
    """Where the ring holds nothing of before the snapshot, and the mean goes on with the losses that the snapshot brought."""
    expected = go("cpu").since(6)
    assert expected.order == [("train", 8)]
    rounds(5)
    machine(execute=execute, seed=1)
    go("gpu:0", out="card", stop=6)
    check(go("gpu:0", resume="card/run_iter_6.solverstate"), expected)


def test_a_solver_that_goes_back_reads_nothing_old(machine: Machine, execute: Callable, folder: Path, rounds) -> None:
    rounds(8)
    machine(execute=execute, seed=1)
    with start("gpu:0") as run:
        run.step(3)
        state = run.snapshot()
        first = [run.step() for _ in range(4)]
        for _ in range(3):
            run.iterate()  # which nobody reads
        run.restore(state)
        steps = [run.iterate() for _ in range(4)]
        assert [instruction.smoothed for instruction in steps] == first


EXPLODES = {"lr_policy": '"multistep"', "gamma": 1e38, "stepvalue": 5, "weight_decay": 1}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"display": 0},
        {"display": 1},
        {"display": 0, "snapshot": 2},
        {"display": 0, "test_iter": 1, "test_interval": 8},
        {"display": 0, "snapshot_after_train": "true"},
        {"display": 0, "stop": 9},
    ],
)
def test_a_run_that_diverges_keeps_nothing_of_it(machine: Machine, execute: Callable, folder: Path, fields: Any) -> None:
    """The first bad iteration is named, whenever it is found; what is shown and written before is the CPU's."""
    expected = go("cpu", out="host", **EXPLODES, **fields)
    assert expected.order[-1] == ("the loss is nan at iteration 6", 6)
    machine(execute=execute, seed=2)
    check(go("gpu:0", out="card", **EXPLODES, **fields), expected)
    files = [sorted(path.name for path in folder.glob(f"{out}/*")) for out in ("host", "card")]
    assert files[0] == files[1]
    assert bool(files[1]) == ("snapshot" in fields)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_the_log_says_where_it_ended(machine: Machine, execute: Callable, folder: Path) -> None:
    """Not how far the card was when that was found."""
    machine(execute=execute, seed=1)
    Path("solver.txt").write_text(solver_text(**EXPLODES))
    assert netdef.cli.main.run(["train", "images.net", "solver.txt", "--devices", "gpu:0", "--out", "run"]) == 2
    last = json.loads(Path("run/log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["reason"], last["iteration"]) == ("end", "diverged", 6)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_what_diverged_is_never_written_or_tested(machine: Machine, execute: Callable, folder: Path) -> None:
    """Not even where somebody who caught the error goes on, with weights that are finite all the same."""
    machine(execute=execute, seed=1)
    with start("gpu:0", test_iter=1, test_interval=1000) as run:
        run.step(2)
        state = run.snapshot()
        run.iterate(data=np.zeros((2, 3, 15, 15)), label=np.full(2, np.nan))
        for parameter in run.executable.net.parameters:
            run.executable.set_param(parameter.layer.name, parameter.index, np.zeros(parameter.shape))
        for ask in (run.test, run.snapshot, run.snapshot):
            run.iterate()
            with pytest.raises(DivergedError, match="the loss is nan at iteration 2\n"):
                ask()
        assert len(list(folder.glob("*.solverstate"))) == 1
        run.restore(state)
        assert np.isfinite(run.step())


@pytest.mark.slow
def test_tests_are_read_when_they_are_done(machine: Machine, execute: Callable, folder: Path, rounds) -> None:
    results = []
    for devices, places in (("cpu", 1024), ("gpu:0", 1024), ("gpu:0", 3)):
        rounds(places)
        cards = machine(execute=execute, seed=1)
        with start(devices, test_iter=7, test_interval=5) as run:
            for turn in range(2):
                results.append(run.test())
                assert cards.downloads == (turn + 1) * (0 if devices == "cpu" else 2 * (7 // places + 1))
    for number, (found,) in enumerate(results):
        (expected,) = results[number % 2]
        assert found.outputs == pytest.approx(expected.outputs, rel=1e-4)
        assert found.loss == pytest.approx(expected.loss, rel=1e-4)


def test_a_failing_launch_is_named_as_on_the_cpu(machine: Machine, execute: Callable) -> None:
    machine(execute=execute, seed=None)
    with runtime.compile(netdef.parse(LENET, phase="train"), "gpu:0", losses_only=True) as executable:
        fed = inputs(executable.net)
        instruction = next(one for one in executable.program.forward if one.kernel == "conv2d")

        def fail() -> None:
            raise ValueError("what went wrong")

        launch, executable._bound[instruction] = executable._bound[instruction], fail
        where = f"gpu:0, conv2d of layer {instruction.layer} failed: ValueError: what went wrong"
        with pytest.raises(NetdefError, match=where):
            executable.forward(**fed)
        with pytest.raises(NetdefError, match=where):
            executable.times([fail])
        executable._bound[instruction] = launch
        executable._runners.clear()
        executable.forward(**fed)
