"""One iteration from the host's side: what it launches, that it waits for nothing, and what happens where graphs cannot be had."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netdef import NetdefError
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.cuda import transfers as cuda_transfers
from runtime.solver.solver import Solver
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.fake_cupy.graphs import UNSUPPORTED, CUDARuntimeError
from tests.runtime.machine.cuda.networks import ALEXNET, LENET, MADE_UP, SOLVER, inputs, parse, train


def calls_of(cards: Cards, run: Callable[[], Any]) -> Counter[str]:
    """What the host asks of the cards, while none of it is done."""
    cards.scheduler.drain(0)
    cards.scheduler.asleep, cards.calls = True, Counter()
    run()
    cards.scheduler.asleep = False
    return +cards.calls


def solver_of(net: str, iter_size: int = 1, clip: float = -1, devices: str = "gpu:0", **options: Any) -> Solver:
    return Solver(SOLVER % (iter_size, clip), parse(net), devices, **options)


@pytest.mark.slow
@pytest.mark.parametrize("clip", [-1, 0.5])
def test_an_iteration_is_one_graph_launch(machine: Callable[..., Cards], execute: Callable, monkeypatch, clip: float) -> None:
    """Beside it: the images' way, the small arrays of a batch, and the iteration's number."""
    monkeypatch.setattr(cuda_transfers, "SMALL", 4096)
    cards = machine(execute=execute, seed=0)
    solver = solver_of(ALEXNET, clip=clip)
    for _ in range(2):
        solver.iterate()
    for _ in range(2):
        calls = calls_of(cards, solver.iterate)
        assert calls["graph"] == 1
        assert calls["kernel"] == calls["gemm"] == calls["memset"] == calls["blocked"] == 0
        # the images, their offsets, mirrors, shifts and labels: up, and to their place.  The iteration's number.
        assert calls["copy"] == 5 * 2 + 1
        assert calls["wait"] == 5 * 2  # an upload for the place to be free, the kernels for the upload
    losses, expected = [one.loss for one in list(solver.iterations._waiting)], train(ALEXNET, "cpu", clip=clip)[1][:4]
    assert losses == pytest.approx(expected, rel=1e-4)
    solver.close()


@pytest.mark.slow
@pytest.mark.parametrize(("net", "waits"), [(ALEXNET, 0), (MADE_UP, 1)])
def test_two_iterations_are_begun_before_any_is_done(machine: Callable, execute: Callable, net: str, waits: int) -> None:
    """The third waits for the page-locked memory that the first one's images were copied to; a ring's threads wait for theirs."""
    cards = machine(execute=execute, seed=0)
    solver = solver_of(net)
    for _ in range(2):
        solver.iterate()
    before = cards.scheduler.ran
    assert calls_of(cards, lambda: [solver.iterate() for _ in range(2)])["blocked"] == 0
    assert calls_of(cards, lambda: [solver.iterate() for _ in range(3)])["blocked"] == waits
    assert cards.scheduler.ran > before
    solver.close()


@pytest.mark.slow
def test_batches_that_are_summed_are_one_graph_each(machine: Callable[..., Cards], execute: Callable) -> None:
    cards = machine(execute=execute, seed=0)
    solver = solver_of(LENET, iter_size=3)
    fed = inputs(solver.nets.train)
    for _ in range(2):
        solver.iterate(**fed)
    calls = calls_of(cards, lambda: solver.iterate(**fed))
    assert calls["graph"] == 3  # the last one's has the update in it
    assert calls["kernel"] == calls["gemm"] == calls["blocked"] == 0
    solver.close()


@pytest.mark.slow
def test_the_rate_is_copied_when_it_changes(machine: Callable[..., Cards], execute: Callable) -> None:
    cards = machine(execute=execute, seed=0)
    solver = solver_of(LENET)  # whose rate is halved every four iterations
    fed = inputs(solver.nets.train)
    copies = [calls_of(cards, lambda: solver.iterate(**fed))["copy"] for _ in range(10)]
    assert [n - copies[1] for n in copies[1:]] == [0, 0, 0, 1, 0, 0, 0, 1, 0]
    solver.close()


def test_what_is_not_asked_for_is_not_copied(machine: Callable[..., Cards], execute: Callable) -> None:
    """Accuracies go to the host when somebody looks at them, as long as they are there; losses all at once."""
    cards = machine(execute=execute, seed=0)
    solver = solver_of(ALEXNET)
    steps = [solver.iterate() for _ in range(3)]
    cards.calls.clear()
    assert steps[2].loss != steps[1].loss != steps[0].loss
    assert cards.calls["copy"] == 1
    assert set(steps[2].outputs) == {"loss", "top1"}
    assert cards.calls["copy"] == 1 + 2
    with pytest.raises(NetdefError, match="loss, top1: not kept, and the net has run again"):
        steps[1].outputs  # noqa: B018
    solver.close()


@pytest.mark.parametrize("when", ["begin", "end"])
def test_a_card_that_takes_no_graphs_trains_all_the_same(
    machine: Callable[..., Cards], execute: Callable, monkeypatch, when: str
) -> None:
    cards = machine(execute=execute, seed=3)
    solver = solver_of(LENET)
    stream = type(solver.executable.device.queue.stream)
    end = stream.end_capture

    def fail(self: Any, mode: Any = None) -> None:
        if when == "end":
            end(self)
        raise CUDARuntimeError(UNSUPPORTED, "cudaErrorStreamCaptureUnsupported: operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(stream, f"{when}_capture", fail)
    fed = inputs(solver.nets.train)
    with pytest.warns(UserWarning, match="by itself: cudaErrorStreamCaptureUnsupported: operation not permitted$") as warned:
        losses = [solver.iterate(**fed) for _ in range(4)]
    assert len(warned) == 1
    assert [one.loss for one in losses] == pytest.approx(train(LENET, "cpu")[1][:4], rel=1e-4)
    assert cards.replayed == 0
    solver.close()


def test_the_switch(machine: Callable[..., Cards], execute: Callable) -> None:
    cards = machine(execute=execute, seed=3)
    solver = solver_of(LENET, cuda=CudaOptions(graphs=False))
    fed = inputs(solver.nets.train)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            solver.iterate(**fed)
    assert cards.replayed == 0
    assert np.isfinite(solver.loss)
    solver.close()
