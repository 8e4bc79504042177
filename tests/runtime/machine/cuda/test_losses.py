"""Losses stay on the card until somebody looks, and are then those of the iterations that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.cuda.bound import CudaInstruction
from runtime.machine.cuda.transfers import Slot
from runtime.solver.solver import Solver
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.networks import ALEXNET, MADE_UP, SOLVER, inputs, parse

Machine = Callable[..., Cards]
LOSSES = """
name: "three losses, one of them large"
layer data: Input -> data, label { shape { dim: 6 dim: 3 dim: 8 dim: 8 } shape { dim: 6 } }
defaults Convolution { weight_filler { type: "xavier" } }
defaults InnerProduct { weight_filler { type: "xavier" } }
layer conv: Convolution(data) { num_output: 8 kernel_size: 3 }
layer act: Sigmoid(conv) { loss_weight: 0.001 }
layer early: InnerProduct(act) { num_output: 10 }
layer loss1: SoftmaxWithLoss(early, label) { loss_weight: 0.3 }
layer fc: InnerProduct(act) { num_output: 10 }
layer loss: SoftmaxWithLoss(fc, label)
"""


def solver_of(net: str, devices: str, iter_size: int = 1, **options: Any) -> Solver:
    return Solver(SOLVER % (iter_size, -1), parse(net), devices, **options)


def downloads(cards: Cards, run: Callable[[], Any]) -> int:
    """Copies to the host that a run makes until all of it is done."""
    cards.scheduler.drain(0)
    before = cards.downloads
    run()
    cards.scheduler.drain(0)
    return cards.downloads - before


@pytest.mark.slow
@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize(("net", "iter_size", "rings"), [(ALEXNET, 1, 1), (LOSSES, 3, 3), (MADE_UP, 2, 1)])
def test_nothing_goes_to_the_host_between_displays(
    machine: Machine, execute: Callable, net: str, iter_size: int, rings: int, graphs: bool
) -> None:
    cards = machine(execute=execute, seed=1)
    with solver_of(net, "gpu:0", iter_size, cuda=CudaOptions(graphs=graphs)) as run:
        fed = inputs(run.nets.train)
        for _ in range(2):
            assert downloads(cards, lambda: [run.iterate(**fed) for _ in range(4)]) == 0
            assert downloads(cards, lambda: run.loss) == rings
        assert (cards.replayed > 0) == graphs


def copies_in_the_list(monkeypatch: pytest.MonkeyPatch, run: Solver) -> None:
    """The kernel that remembers is followed by a copy to the host, in a graph or not."""
    device, made = run.executable.device, CudaInstruction.__call__
    slot, runtime = Slot(device.cupy, 1 << 16), device.cupy.cuda.runtime

    def call(self: CudaInstruction) -> None:
        made(self)
        if any(getattr(part, "file", "") == "remember.cu" for part in self.plan.launches):
            ring = self.arrays[-1]
            runtime.memcpyAsync(slot.address, ring.data.ptr, ring.nbytes, runtime.memcpyDeviceToHost, device.queue.stream.ptr)

    monkeypatch.setattr(CudaInstruction, "__call__", call)


def copies_beside_the_list(monkeypatch: pytest.MonkeyPatch, run: Solver) -> None:
    """Each iteration's loss is read when it is launched."""
    made = run.executable.run_training

    def run_training(number: int, /, *, update: bool, **fed: Any) -> None:
        made(number, update=update, **fed)
        run.executable.blob("loss")

    monkeypatch.setattr(run.executable, "run_training", run_training)


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("spoil", [copies_in_the_list, copies_beside_the_list])
def test_a_copy_too_many_is_seen(
    machine: Machine, execute: Callable, monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., None], graphs: bool
) -> None:
    cards = machine(execute=execute, seed=1)
    with solver_of(LOSSES, "gpu:0", cuda=CudaOptions(graphs=graphs)) as run:
        fed = inputs(run.nets.train)
        spoil(monkeypatch, run)
        assert downloads(cards, lambda: [run.iterate(**fed) for _ in range(4)]) == (4 if spoil is copies_beside_the_list else 4 * 3)
        assert (cards.replayed > 0) == graphs


def losses(run: Solver, count: int, **fed: Any) -> list[tuple[float, float]]:
    """Of so many iterations, asked for after the last: each one's, and the mean over the last three until then."""
    made = [run.iterate(**fed) for _ in range(count)]
    return [(iteration.loss, iteration.smoothed) for iteration in reversed(made)][::-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "iter_size", "places", "devices", "options"),
    [
        (0, 1, 1024, "gpu:0", {}),
        (1, 1, 4, "gpu:0", {}),  # round the ring two and a half times
        (2, 1, 4, "gpu:0", {}),
        (3, 1, 4, "gpu:0", {"cuda": CudaOptions(graphs=False)}),
        (4, 2, 5, "gpu:0", {}),  # an odd number of places for pairs
        (5, 3, 2, "gpu:0", {}),  # more batches than places
        (6, 2, 7, "gpu:0,gpu:1", {"split": "batch"}),
        (7, 1, 4, "gpu:0-2", {}),
    ],
)
def test_each_iteration_has_its_own(
    machine: Machine, execute: Callable, rounds, seed: int, iter_size: int, places: int, devices: str, options: Any
) -> None:
    with solver_of(LOSSES, "cpu", iter_size) as run:
        fed = inputs(run.nets.train)
        expected = losses(run, 10, **fed)
    rounds(places)
    machine(execute=execute, seed=seed, count=3)
    with solver_of(LOSSES, devices, iter_size, **options) as run:
        found = losses(run, 10, **fed)
        rings = run.executable.program.remembered.values()
        assert {ring.shape[0] for ring in rings} == {max(places, iter_size)}
        assert len(rings) == 2 + len(run.executable.devices)  # of the large loss a part on each
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert len(set(found)) == 10


def test_a_ring_that_is_read_too_late_is_seen(machine: Machine, execute: Callable, rounds) -> None:
    """Were one iteration more let wait than there are places, its loss would be reported as the first one's."""
    with solver_of(LOSSES, "cpu") as run:
        fed = inputs(run.nets.train)
        expected = losses(run, 10, **fed)
    rounds(4)
    machine(execute=execute, seed=0)
    with solver_of(LOSSES, "gpu:0") as run:
        run.iterations.room += 1
        assert losses(run, 10, **fed)[0][0] == pytest.approx(expected[4][0], rel=1e-4)
