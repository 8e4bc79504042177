"""Whole networks over several cards: their weights after ten iterations are the CPU's, whatever order the streams run in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from netdef.schema import message_class
from runtime.ir.program import Buffer, Instruction
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.schedule import Schedule
from runtime.solver.diverged import DivergedError
from runtime.solver.solver import Solver
from runtime.solver.update import updates
from tests.runtime.compiler.placement.nets import difference, everything, feeds
from tests.runtime.compiler.placement.random_nets import random_net
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.networks import (
    ALEXNET,
    BRANCHES,
    ITERATIONS,
    LENET,
    NARROW_BLOCKS,
    SOLVER,
    inputs,
    parse,
    train,
)

CPU: dict[str, list[np.ndarray]] = {}
NETS = {"alexnet": ALEXNET, "lenet": LENET, "branches": BRANCHES}


def same(name: str, devices: str, split: str, **options) -> bool:
    key = f"{name} {options}"
    if key not in CPU:
        CPU[key] = train(NETS[name], "cpu", **options)[0]
    weights, _ = train(NETS[name], devices, split=split, **options)
    return all(np.allclose(mine, theirs, rtol=1e-4, atol=1e-6) for mine, theirs in zip(weights, CPU[key], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "devices", "split", "seed"),
    [
        ("alexnet", "gpu:0,gpu:1", "groups", 1),
        ("alexnet", "gpu:0-3", "groups", 2),
        ("alexnet", "gpu:0,gpu:1", "batch", 3),
        ("alexnet", "gpu:0-3", "hybrid", 4),
        ("lenet", "gpu:1,gpu:0", "groups", 5),
        ("branches", "gpu:0-2", "groups", 6),
        ("branches", "gpu:0-2", "batch", 7),
    ],
)
def test_trained_weights(machine: Callable[..., Cards], execute: Callable, name: str, devices: str, split: str, seed: int) -> None:
    machine(execute=execute, seed=seed, count=4)
    assert same(name, devices, split)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "split"), [(2000, "groups"), (2003, "batch"), (2005, "groups"), (2006, "hybrid")])
def test_random_nets(machine: Callable[..., Cards], execute: Callable, seed: int, split: str) -> None:
    """Every blob and gradient of whatever follows whatever; gradients that are all rounding aside."""
    net = netdef.parse(random_net(seed), phase="train")
    with runtime.compile(net, seed=5) as one:
        expected = everything(one)
    machine(execute=execute, seed=seed, count=4)
    with runtime.compile(net, f"gpu:0-{1 + seed % 3}", seed=5, split=split) as several:
        found = everything(several)
    worst = {what: difference(expected[what], found[what]) for what in expected if np.abs(expected[what]).max() > 1e-7}
    assert max(worst.values()) < 1e-4, sorted(worst.items(), key=lambda item: -item[1])[:5]


@pytest.mark.slow
@pytest.mark.parametrize("split", ["groups", "batch"])
def test_sums_over_batches_and_clipped_gradients(machine: Callable[..., Cards], execute: Callable, split: str) -> None:
    machine(execute=execute, seed=8, count=2)
    assert same("alexnet", "gpu:0,gpu:1", split, iter_size=2, clip=0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "split", "ways"),
    [
        ("alexnet", "groups", ("gpu:0,gpu:1", "gpu:0,gpu:0")),
        ("lenet", "batch", ("gpu:0-3", "gpu:0,gpu:0,gpu:0,gpu:0", "gpu:1,gpu:0,gpu:1,gpu:1", "gpu:2,gpu:0,gpu:0,gpu:1")),
        ("branches", "groups", ("gpu:0-2", "gpu:1,gpu:1,gpu:1", "gpu:0,gpu:1,gpu:0")),
        ("branches", "hybrid", ("gpu:0-3", "gpu:0,gpu:0,gpu:1,gpu:1")),
    ],
)
def test_a_card_with_several_shares_computes_what_several_cards_do(
    machine: Callable[..., Cards], execute: Callable, name: str, split: str, ways: tuple[str, ...]
) -> None:
    """To the bit, with sums over batches and clipped gradients; a card that has all shares runs an iteration as one graph."""
    runs = []
    for seed, devices in enumerate(ways):
        cards = machine(execute=execute, seed=seed, count=4)
        runs.append(train(NETS[name], devices, split=split, clip=0.5))
        if len(set(devices.split(","))) == 1 and "-" not in devices:
            assert cards.replayed == ITERATIONS - 1
    for weights, losses in runs[1:]:
        assert losses == runs[0][1]
        assert all(np.array_equal(mine, theirs) for mine, theirs in zip(weights, runs[0][0], strict=True))


@pytest.mark.slow
def test_blobs_of_bfloat16_are_sent_as_they_are(machine: Callable[..., Cards], execute: Callable) -> None:
    """Two shares give the same bits on one card as on two, and what one card gives but for rounding."""
    options, runs = CudaOptions(math="bf16"), []
    for seed, devices in enumerate(("gpu:0,gpu:0", "gpu:0,gpu:1", "gpu:0")):
        machine(execute=execute, seed=seed, count=2)
        runs.append(train(NARROW_BLOCKS, devices, options, split="groups"))
    assert runs[0][1] == runs[1][1]
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(runs[0][0], runs[1][0], strict=True))
    np.testing.assert_allclose(runs[0][1], runs[2][1], rtol=2e-2)
    with runtime.compile(parse(NARROW_BLOCKS), "gpu:0,gpu:1", split="groups", cuda=options) as executable:
        sent = [one for one in executable.program.instructions if one.is_send]
        assert all(one.inputs[0].dtype == one.outputs[0].dtype for one in sent)
        assert any(one.inputs[0].dtype == "bfloat16" for one in sent)


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["gpu:0", "gpu:0,gpu:1"])
def test_nothing_follows_an_iteration_that_was_broken_off(
    machine: Callable[..., Cards], execute: Callable, devices: str, tmp_path: Path
) -> None:
    """A card is given the whole iteration at once: whoever breaks that off in the middle cannot know what is updated already."""
    expected = []
    for broken in (False, True):
        machine(execute=execute, seed=1, count=2)
        solver = Solver(SOLVER % (1, -1), parse(LENET), devices, out=tmp_path)
        fed = inputs(solver.nets.train)
        solver.step(2, **fed)
        earlier = solver.snapshot()
        bound, instruction = solver.executable._bound, solver.executable.program.backward[0]
        first, armed = bound[instruction], [broken]

        def step(first=first, armed=armed) -> None:
            if armed[0]:
                raise KeyboardInterrupt
            first()

        bound[instruction] = step
        solver.executable._runners.clear()
        if broken:
            with pytest.raises(KeyboardInterrupt):
                solver.iterate(**fed)
            for follows in (solver.iterate, solver.snapshot, solver.test):
                with pytest.raises(NetdefError, match="iteration 2 was interrupted"):
                    follows()
            armed[0] = False
            solver.restore(earlier)
        solver.step(2, **fed)
        expected.append([solver.executable.param(p.layer.name, p.index) for p in solver.executable.net.parameters])
        solver.close()
    assert all(np.array_equal(a, b) for a, b in zip(*expected, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "split", "graphs"), [(3000, "groups", True), (3001, "batch", True), (3003, "hybrid", False)])
def test_an_iteration_in_one_is_the_same_as_its_lists_one_by_one(
    machine: Callable[..., Cards], execute: Callable, seed: int, split: str, graphs: bool
) -> None:
    """Though updates are moved to where backward still goes on."""
    net, found = netdef.parse(random_net(seed), phase="train"), []
    for in_one in (True, False):
        machine(execute=execute, seed=seed, count=3)
        update, cuda = updates(message_class("SolverParameter")(momentum=0.9)), CudaOptions(graphs=graphs)
        with runtime.compile(net, "gpu:0-2", losses_only=True, update=update, split=split, seed=5, cuda=cuda) as exe:
            exe.set_scalar("rate", 0.01)
            exe.set_scalar("scale", 1)
            for _ in range(4):
                if in_one:
                    exe.run_training(update=True, **feeds(net))
                else:
                    exe.run_forward(**feeds(net))
                    exe.backward()
                    exe.update()
            found.append([exe.memory.read(b) for b in (*exe.program.parameters.values(), *exe.program.states.values())])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def without_waits(schedule: Schedule) -> None:
    """Streams of one list do not wait for each other."""
    for order in schedule._orders:
        order.after = ()


def without_joins(schedule: Schedule) -> None:
    """A list does not wait for the list before it."""
    schedule._join = lambda: None  # type: ignore[method-assign]


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [without_waits, without_joins])
def test_a_wait_that_is_missing_gives_wrong_weights(
    machine: Callable[..., Cards], execute: Callable, monkeypatch, spoil: Callable[[Schedule], None]
) -> None:
    made = Schedule.__init__

    def init(self: Schedule, *arguments) -> None:
        made(self, *arguments)
        spoil(self)

    monkeypatch.setattr(Schedule, "__init__", init)
    for seed in range(20):
        machine(execute=execute, seed=seed, count=2)
        try:
            if not same("lenet", "gpu:0,gpu:1", "batch"):  # which ends with sends of weights, for the next list to read
                return
        except DivergedError:
            return
    pytest.fail("the stand-in did not see it")


def arrives(machine: Callable[..., Cards], execute: Callable, seed: int, spoil: Callable[[Schedule], None]) -> bool:
    """Whether a list that begins with sending what the list before it computed, sends that."""
    machine(execute=execute, seed=seed, count=2)
    devices = CudaDevice(0), CudaDevice(1)
    x, y, z = (Buffer(name, (1000,), "input", device=index) for name, index in (("x", 0), ("y", 0), ("z", 1)))
    arrays = {b: devices[b.device].array(devices[b.device].allocate(b.bytes), 0, b.shape, b.dtype) for b in (x, y, z)}
    lists = []
    for step in (Instruction("copy", (x,), (y,)), Instruction("send", (y,), (z,))):
        bound = devices[0].bind(step, arrays.__getitem__)
        lists.append(Schedule(devices, [step], [bound], lambda buffer: (buffer.name, 0, buffer.bytes)))
        spoil(lists[-1])
    right = True
    for turn in range(3):
        devices[0].write(arrays[x], np.full(x.shape, turn + 1))
        for schedule in lists:
            schedule.run()
        right &= bool((devices[1].read(arrays[z]) == turn + 1).all())
    for device in devices:
        device.close()
    return right


def test_a_list_begins_when_the_list_before_is_done(machine: Callable[..., Cards], execute: Callable) -> None:
    assert all(arrives(machine, execute, seed, lambda schedule: None) for seed in range(10))
    assert not all(arrives(machine, execute, seed, without_joins) for seed in range(10))
