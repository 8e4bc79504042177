"""Whole networks on the CUDA device: its host code on stand-in cards with hostile streams, its kernels built for this processor.

Ten iterations must give the CPU device's weights, to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netdef
import runtime
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.cuda.transfers import DoubleBuffer, Transfers
from runtime.solver.diverged import DivergedError
from runtime.solver.solver import Solver
from tests.marks import slow_except
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.networks import (
    ALEXNET,
    BRANCHES,
    IMAGES,
    ITERATIONS,
    LENET,
    MADE_UP,
    NARROW,
    NARROW_BLOCKS,
    SEQUENCES,
    SOLVER,
    WIDE,
    inputs,
    parse,
    train,
)

NETS = {"alexnet": ALEXNET, "lenet": LENET, "branches": BRANCHES, "images": IMAGES, "wide": WIDE, "sequences": SEQUENCES}


@cache
def on_cpu(name: str, iter_size: int = 1, clip: float = -1) -> tuple[list[np.ndarray], list[float]]:
    return train(NETS[name], "cpu", iter_size=iter_size, clip=clip)


def check(weights: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", slow_except("lenet", NETS))
def test_trained_weights(machine: Callable[..., Cards], execute: Callable, name: str) -> None:
    cards = machine(execute=execute, seed=1)
    weights, losses = train(NETS[name], "gpu:0")
    check(weights, on_cpu(name)[0])
    np.testing.assert_allclose(losses, on_cpu(name)[1], rtol=1e-4)
    assert cards.replayed == ITERATIONS - 1  # one graph an iteration, after the first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "narrow"),
    [
        (NARROW, ("conv1", "norm1", "pool1", "conv2")),
        (NARROW_BLOCKS, ("conv1", "scale1", "deep", "scale2", "sum", "conv3", "bn3", "largest", "both")),
    ],
    ids=["lrn", "blocks"],
)
def test_blobs_of_bfloat16_train_alike(machine: Callable[..., Cards], execute: Callable, net: str, narrow: tuple[str, ...]) -> None:
    """Weights go the same way but for rounding; they are read, and kept, as float32."""
    machine(execute=execute, seed=2)
    options = CudaOptions(math="bf16")
    weights, losses = train(net, "gpu:0", options)
    expected, exact = train(net, "cpu")
    np.testing.assert_allclose(losses, exact, rtol=2e-2)
    for mine, theirs in zip(weights, expected, strict=True):
        assert mine.dtype == np.float32
        assert np.linalg.norm(mine - theirs) < 6e-2 * np.linalg.norm(theirs)
    with runtime.compile(parse(net), "gpu:0", cuda=options) as exe, runtime.compile(parse(net), "cpu") as other:
        fed = inputs(exe.net)
        for one in (exe, other):
            one.forward(**fed)
            one.backward()
        held = {buffer.name: buffer.dtype for one in exe.program.instructions for buffer in one.buffers}
        for name in narrow:
            assert held[name if name in held else f"{name}@1"] == "bfloat16"
            blob, same = exe.blob(name), other.blob(name)
            assert blob.dtype == np.float32 and 0 < np.abs(blob - same).max() < 2e-2 * np.abs(same).max()


@pytest.mark.slow
def test_options(machine: Callable[..., Cards], execute: Callable) -> None:
    cards = machine(execute=execute, seed=2)
    weights, _ = train(NETS["alexnet"], "gpu:0", CudaOptions(workspace=100 << 10, graphs=False))
    check(weights, on_cpu("alexnet")[0])
    assert cards.replayed == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 5))
def test_the_order_in_which_streams_run_changes_nothing(machine: Callable[..., Cards], execute: Callable, seed: int) -> None:
    """Data come by uploads, sums over two batches and clipped gradients make more lists of kernels."""
    machine(execute=execute, seed=seed)
    weights, _ = train(NETS["alexnet"], "gpu:0", iter_size=2, clip=0.5)
    check(weights, on_cpu("alexnet", iter_size=2, clip=0.5)[0])


@pytest.mark.slow
@pytest.mark.parametrize("events", ["uploaded", "consumed"])
def test_a_wait_that_is_missing_gives_wrong_weights(
    machine: Callable[..., Cards], execute: Callable, monkeypatch, events: str
) -> None:
    """The same run with a broken copy: kernels do not wait for the upload of their batch, or uploads for the batch before."""
    made = Transfers._open_buffers

    def open_buffers(self: Transfers, array: Any) -> DoubleBuffer:
        buffers = made(self, array)
        forget(getattr(buffers, events))
        return buffers

    monkeypatch.setattr(Transfers, "_open_buffers", open_buffers)
    right, _ = on_cpu("images")
    for seed in range(20):
        machine(execute=execute, seed=seed)
        try:
            weights, _ = train(NETS["images"], "gpu:0")
        except DivergedError:  # labels that have not come are NaN
            return
        if any(not np.allclose(*pair, rtol=1e-4, atol=1e-6, equal_nan=False) for pair in zip(weights, right, strict=True)):
            return
    pytest.fail("the stand-in did not see it")


def forget(events: list[Any]) -> None:
    """Let events be recorded nowhere, so that nobody waits for them."""
    for event in events:
        event.record = lambda stream: None


def test_a_net_that_shares_weights_has_room_for_larger_matrices(machine: Callable[..., Cards], execute: Callable) -> None:
    """Graphs of the first net go on with the workspace that they were captured with."""
    machine(execute=execute, seed=1)
    results = {}
    for where in ("cpu", "gpu:0"):
        small, large = (netdef.parse(LENET, batch_size=batch) for batch in (2, 8))
        with runtime.compile(small, where, backward=False) as first:
            fed = {net: inputs(net) for net in (small, large)}
            before = [first.forward(**fed[small]) for _ in range(2)]
            second = runtime.compile(large, share=first, backward=False)
            results[where] = [*before, *(exe.forward(**fed[exe.net]) for exe in (second, first, second, first))]
    for mine, theirs in zip(results["gpu:0"], results["cpu"], strict=True):
        np.testing.assert_allclose(mine["loss"], theirs["loss"], rtol=1e-4)


@pytest.mark.filterwarnings("error:no CUDA graphs")
def test_made_up_data_come_from_the_host(machine: Callable[..., Cards], execute: Callable) -> None:
    cards = machine(execute=execute, seed=1)
    check(train(MADE_UP, "gpu:0")[0], train(MADE_UP, "cpu")[0])
    assert cards.replayed == ITERATIONS - 1  # all behind them


def test_what_a_card_makes_is_written(machine: Callable[..., Cards], execute: Callable, tmp_path: Path, monkeypatch: Any) -> None:
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    machine(execute=execute, seed=1)
    fed = inputs(parse(LENET))
    for where in ("cpu", "gpu:0"):
        text = f'{LENET}\nlayer out: HDF5Output(ip1, label) {{ file_name: "{where[:3]}.h5" }}'
        with runtime.compile(netdef.parse(text, phase="train"), where, losses_only=True, seed=1) as exe:
            for _ in range(2):
                exe.run_training(update=False, **fed)
    with h5py.File("cpu.h5") as right, h5py.File("gpu.h5") as mine:
        assert mine["data"].shape == (12, 100, 1, 1)
        np.testing.assert_allclose(mine["data"], right["data"], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(mine["label"], right["label"])


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_a_loss_that_is_no_number_is_an_error_when_it_is_read(machine: Callable[..., Cards], execute: Callable) -> None:
    machine(execute=execute, seed=1)
    solver = Solver(SOLVER.replace("base_lr: 0.01", "base_lr: 1e30") % (1, -1), parse(NETS["lenet"]), "gpu:0")
    fed = inputs(solver.nets.train)
    steps = [solver.iterate(**fed) for _ in range(3)]
    assert np.isfinite(steps[0].loss)
    with pytest.raises(DivergedError, match=r"the loss is nan at iteration 1\n"):
        steps[2].settle()
    solver.close()


@pytest.mark.slow
def test_nothing_is_waited_for_between_iterations(machine: Callable[..., Cards], execute: Callable) -> None:
    """The host is ahead of the card until somebody asks for a loss."""
    cards = machine(execute=execute, seed=0)
    solver = Solver(SOLVER % (1, -1), parse(NETS["lenet"]), "gpu:0")
    fed = inputs(solver.nets.train)
    solver.iterate(**fed).settle()
    cards.scheduler.asleep = True
    before = cards.scheduler.ran
    steps = [solver.iterate(**fed) for _ in range(3)]
    assert cards.scheduler.ran == before
    assert [one.loss for one in steps] == pytest.approx(on_cpu("lenet")[1][1:4], rel=1e-4)
    solver.close()
