"""What waits for what: each instruction for what it reads and for what it would spoil, and for nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import netdef
import runtime
from netdef.graph.net import Net
from netdef.schema import message_class
from runtime.compiler.passes.order import Span, updates_early
from runtime.compiler.pipeline import compile_program
from runtime.compiler.placement.choice import SPLITS
from runtime.ir.program import Buffer, Instruction, Program
from runtime.machine.schedule import EACH_ITS_OWN, Waits, _orders, find_waits, lane_of
from runtime.solver.update import updates
from tests.marks import slow_except
from tests.runtime.compiler.placement.nets import devices, feeds, net_of
from tests.runtime.compiler.placement.random_nets import random_net


def span(buffer: Buffer) -> Span:
    return str(buffer.root.name), buffer.byte_offset, buffer.byte_offset + buffer.bytes


def make(*lines: str) -> list[Instruction]:
    """Instructions from lines such as "a0 b0 = c0": names of buffers of ten floats, each with its device."""
    buffers: dict[str, Buffer] = {}

    def buffer(name: str) -> Buffer:
        if name not in buffers:
            buffers[name] = Buffer(name, (10,), "activation", device=int(name[-1]))
        return buffers[name]

    steps = []
    for line in lines:
        outputs, _, inputs = line.partition("=")
        targets, sources = (tuple(map(buffer, side.split())) for side in (outputs, inputs))
        crosses = bool(sources and targets) and sources[0].device != targets[0].device
        steps.append(Instruction("send" if crosses else "work", sources, targets))
    return steps


def waits(*lines: str) -> list[tuple[int, ...]]:
    return [wait.after for wait in find_waits(make(*lines), span)]


def test_a_reader_waits_for_the_writer_on_another_queue() -> None:
    assert waits("x0 = i0", "x1 = x0", "y1 = x1") == [(), (0,), (1,)]


def test_an_instruction_waits_only_for_memory_that_it_uses() -> None:
    assert waits("x0 = i0", "y1 = j1", "z1 = y1", "w0 = x0", "x1 = x0", "v0 = w0", "u1 = z1") == [(), (), (), (), (0,), (), ()]


def test_a_writer_waits_for_the_readers_of_before() -> None:
    assert waits("x0 = i0", "x1 = x0", "y1 = x1", "x0 = j0", "x1 = x0") == [(), (0,), (1,), (1,), (2, 3)]


def test_what_is_known_to_be_done_is_not_waited_for_again() -> None:
    """The second reader on a queue finds the first's wait behind it; and who waits for a queue waits for what that one had."""
    assert waits("x0 = i0", "x1 = x0", "y1 = x1", "z1 = x1") == [(), (0,), (1,), ()]
    assert waits("x0 = i0", "a1 = x0", "b1 = a1", "b2 = b1", "x0 = b2")[-1] == (3,)


def test_messages_of_a_group_use_no_memory_of_one_another() -> None:
    """Of rank 0, whose messages to ranks 1 and 2 are on one queue: a group may run in any order."""
    steps = make("a1 = a0", "b0 = b2", "a0 = a2", "c1 = c0", "c2 = a0", "d1 = d0")
    found = find_waits(steps, span, EACH_ITS_OWN, remote=(1, 2), messages=1)
    assert [wait.behind for wait in found] == [-1, -1, 0, -1, 2, -1]
    names = [lambda name=name: name for name in range(len(steps))]
    groups = [[bound() for bound in order.bound] for order in _orders(found, names)]  # type: ignore[func-returns-value, misc]
    assert groups == [[0, 1], [2, 3], [4, 5]]


def test_regions_of_a_buffer_do_not_wait_for_each_other() -> None:
    whole = Buffer("all", (10,), "activation", device=0)
    left = Buffer("all", (5,), "activation", base=whole)
    right = Buffer("all", (5,), "activation", base=whole, offset=5)
    x, y, z = (Buffer(name, (5,), "activation", device=1) for name in "xyz")
    steps = [
        Instruction("work", (), (left,)),
        Instruction("send", (x,), (right,)),
        Instruction("send", (left,), (y,)),
        Instruction("send", (right,), (z,)),
        Instruction("work", (whole,), (Buffer("end", (10,), "activation"),)),
    ]
    assert [wait.after for wait in find_waits(steps, span)] == [(), (), (0,), (1,), (1,)]


def test_memory_that_is_used_again_counts_as_the_same() -> None:
    """What lies in the same bytes of an arena must wait, whatever its name."""
    steps = make("x0 = i0", "x1 = x0", "y0 = j0")
    same = {"x0": "arena", "y0": "arena"}
    found = find_waits(steps, lambda b: (same.get(b.name, b.name), 0, 40))
    assert [wait.after for wait in found] == [(), (0,), (1,)]


def test_instructions_without_outputs_write_their_inputs() -> None:
    a, b = Buffer("a", (4,), "parameter"), Buffer("b", (4,), "gradient", device=1)
    steps = [Instruction("send", (a,), (b,)), Instruction("sgd_update", (a,), ())]
    assert [wait.after for wait in find_waits(steps, span)] == [(), (0,)]


def training(split: str, count: int = 2, name: str = "alexnet", **settings: Any) -> Program:
    net = netdef.load(name, phase="train", batch_size=4)
    update = updates(message_class("SolverParameter")(**settings))
    return compile_program(net, devices=count, split=split, keep="activations", losses_only=True, update=update)


def test_the_towers_of_alexnet_wait_for_each_other_only_at_transfers() -> None:
    program = training("groups")
    steps, found = program.forward, find_waits(program.forward, program.plan.span)
    waiting = {steps[i].layer for i, wait in enumerate(found) if wait.after and steps[i].kernel != "send"}
    assert waiting == {"conv3", "fc6", "fc7", "fc8", "loss"}
    for i, wait in enumerate(found):
        if steps[i].kernel == "send":
            assert all(steps[other].device == steps[i].device for other in wait.after)  # for what it sends, nothing else


def test_gradients_of_weights_are_computed_while_others_are_sent() -> None:
    """Data-parallel: no kernel waits for the gradients of the layer before it that is just being sent."""
    program = training("batch")
    steps, found = program.backward, find_waits(program.backward, program.plan.span)
    for i, wait in enumerate(found):
        if wait.after and steps[i].kernel not in ("send", "add"):
            assert {steps[other].layer for other in wait.after} <= {"loss", "fc8"}


def test_what_others_wait_for_is_computed_and_sent_before_the_gradients_of_weights() -> None:
    """So that these hide the sending, and the waiting for a device that is behind."""
    program = training("groups")
    steps, found = program.backward, find_waits(program.backward, program.plan.span)
    for layer in ("conv3", "fc6", "fc7", "fc8"):
        for device in (0, 1):
            mine = [i for i, one in enumerate(steps) if one.layer == layer and one.device == device]
            (sent,) = (i for i in mine if steps[i].kernel == "send")
            learning = [i for i in mine if steps[i].kernel.endswith(("weight_gradient", "bias_gradient"))]
            assert len(learning) == 2
            assert min(learning) > sent
            assert max(found[sent].after) < sent < min(learning)
            assert not any(found[i].after for i in learning)


@pytest.mark.parametrize(
    ("name", "count", "split"),
    slow_except(
        "alexnet",
        [
            *(("alexnet", count, split) for count, split in ((2, "groups"), (4, "batch"), (2, "hybrid"))),
            *(("googlenet", count, split) for count, split in ((4, "groups"), (2, "batch"), (2, "hybrid"))),
        ],
    ),
)
def test_no_race_is_left(name: str, count: int, split: str) -> None:
    """Every pair of instructions that touch the same bytes, one of them writing, is ordered by queues and events."""
    program = training(split, count, name)
    steps = [*program.instructions]  # an iteration runs as one list
    assert not list(races(steps, find_waits(steps, program.plan.span), program.plan.span))


@pytest.mark.parametrize("split", ["groups", "batch", "hybrid"])
def test_no_race_is_left_over_norms(split: str) -> None:
    """Of weights and gradients, for rates of each array's own; in the order in which updates come early."""
    program = training(split, larc=True)
    steps = [*program.instructions]
    moved = [steps[number] for number in updates_early(steps, program.plan.span, len(program.update))]
    assert not list(races(moved, find_waits(moved, program.plan.span), program.plan.span))


@pytest.mark.parametrize("split", ["groups", "batch", "hybrid"])
def test_weights_are_updated_and_sent_on_while_backward_goes_on(split: str) -> None:
    program = training(split)
    steps = [*program.instructions]
    order = updates_early(steps, program.plan.span, len(program.update))
    assert sorted(order) == [*range(len(steps))]
    moved = [steps[number] for number in order]
    at = {id(one): place for place, one in enumerate(moved)}
    for layer, before in (("fc8", "conv5"), ("fc7", "conv5"), ("fc6", "conv4"), ("conv5", "conv3"), ("conv3", "conv1")):
        gradients = [at[id(s)] for s in program.backward if s.layer == before and s.kernel == "conv2d_weight_gradient"]
        updated = [at[id(s)] for s in program.update if s.layer == layer]
        assert updated
        assert max(updated) < min(gradients), f"{layer} is updated only after {before}"
    behind = [s for s in program.backward if any(b.root in program.parameters.values() for b in s.inputs)]
    for update in program.update:
        if update.kernel == "sgd_update":  # not before the gradients of inputs have been computed with the old weights
            assert all(at[id(s)] < at[id(update)] for s in behind if update.inputs[0].root in {b.root for b in s.inputs})
    assert not list(races(moved, find_waits(moved, program.plan.span), program.plan.span))


@pytest.mark.parametrize("where", ["cpu:0,cpu:1", "cpu:0,cpu:0"])
def test_an_iteration_in_one_updates_before_backward_ends(where: str) -> None:
    """On the queue that has both."""
    with runtime.compile(net_of("alexnet"), where, losses_only=True, update=updates(message_class("SolverParameter")())) as exe:
        done: list[str] = []
        for name in ("backward", "update"):
            for number, bound in enumerate([bound for _, bound in exe.bound(name)]):
                if getattr(exe.program, name)[number].kernel != "send":
                    exe._bound[getattr(exe.program, name)[number]] = lambda name=name, bound=bound: (done.append(name), bound())
        exe.run_training(update=True, **feeds(exe.net))
        assert done.index("update") < len(done) / 2
        assert done.count("update") == len(exe.program.update)
        last = len(done)
        exe.run_training(update=False, **feeds(exe.net))
        assert "update" not in done[last:]


def trained(net: Net, where: str, split: str, settings: dict[str, Any], in_one: bool) -> dict[str, bytes]:
    """Everything that lasts over iterations, after three."""
    solver = message_class("SolverParameter")(momentum=0.9, weight_decay=0.01, **settings)
    with runtime.compile(net, where, losses_only=True, update=updates(solver), split=split, threads=2) as exe:
        exe.set_scalar("rate", 0.01)
        exe.set_scalar("scale", 1 / solver.iter_size)
        for batch in range(3 * solver.iter_size):
            exe.set_scalar("added", batch % solver.iter_size)
            update = batch % solver.iter_size == solver.iter_size - 1
            if in_one:
                exe.run_training(update=update, **feeds(net))
                continue
            exe.run_forward(**feeds(net))
            exe.backward()
            if update:
                exe.update()
        program = exe.program
        lasting = [*program.parameters.values(), *program.states.values(), *program.remembered.values()]
        return {f"{number} {b}:{b.device}": exe.memory.read(b).tobytes() for number, b in enumerate(lasting)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "where", "split", "settings"),
    [
        ("alexnet", "cpu:0,cpu:1", "groups", {"clip_gradients": 0.1}),  # the scale of all updates comes from all gradients
        ("alexnet", "cpu:0,cpu:1", "batch", {"clip_gradients": 0.1}),
        ("alexnet", "cpu:0,cpu:1", "hybrid", {"larc": True}),
        ("alexnet", "cpu:0,cpu:1,cpu:0,cpu:2", "hybrid", {"iter_size": 2}),
        ("lenet", "cpu:0,cpu:0,cpu:0", "batch", {"regularization_type": "L1"}),
        ("shared weights", "cpu:0,cpu:1,cpu:2", "groups", {}),
        ("weights shared by layers that are cut differently", "cpu:0,cpu:1", "groups", {"iter_size": 2}),
        *((seed, f"cpu:0-{1 + seed % 3}", SPLITS[seed // 3 % 3], {}) for seed in range(1000, 1012)),
    ],
)
def test_an_iteration_in_one_is_the_same_as_its_lists_one_by_one(
    name: str | int, where: str, split: str, settings: dict[str, Any]
) -> None:
    net = net_of(name) if isinstance(name, str) else netdef.parse(random_net(name), phase="train")
    assert trained(net, where, split, settings, in_one=True) == trained(net, where, split, settings, in_one=False)


def races(
    steps: Sequence[Instruction], found: Sequence[Waits], span_of: Callable[[Buffer], Span], hosts: Sequence[int] = EACH_ITS_OWN
) -> Iterator[str]:
    """Pairs that could run at the same time and must not."""
    before: list[int] = []  # bits of the instructions that are done before each
    last: dict[tuple[int, int], int] = {}
    for number, wait in enumerate(found):
        done, lane = 0, lane_of(steps[number], hosts)
        for other in (*wait.after, *([last[lane]] if lane in last else [])):
            done |= before[other] | 1 << other
        before.append(done)
        last[lane] = number
    uses: dict[str, list[tuple[int, int, int, bool]]] = {}
    for number, one in enumerate(steps):
        for buffer, writes in [(b, not one.outputs) for b in one.inputs] + [(b, True) for b in one.outputs]:
            arena, *span = span_of(buffer)
            uses.setdefault(arena, []).append((number, *span, writes))
    for arena in uses.values():
        numbers, begins, ends, writing = (np.array(column) for column in zip(*arena, strict=True))
        for number, begin, end, writes in arena:
            meet = (numbers < number) & (begins < end) & (begin < ends) & (writing | writes)
            for other in numbers[meet].tolist():
                if not before[number] >> other & 1:
                    yield f"{steps[other]} and {steps[number]}"


def test_a_missing_wait_is_seen() -> None:
    """No wait is there for nothing: without any one of them there is a race."""
    program = training("groups")
    for steps in (program.forward, program.backward):
        found = find_waits(steps, program.plan.span)
        for number, wait in enumerate(found):
            for other in wait.after:
                fewer = [*found]
                fewer[number] = replace(wait, after=tuple(w for w in wait.after if w != other))
                assert next(races(steps, fewer, program.plan.span), None), f"{steps[number]} need not wait for {steps[other]}"


def test_devices_work_at_the_same_time() -> None:
    """Each device's conv1 waits until the other's has begun: run one after the other, they would never end."""
    with runtime.compile(net_of("alexnet"), devices(2), seed=5, threads=2) as exe:
        barrier = threading.Barrier(2, timeout=30)
        for number, one in enumerate(exe.program.forward):
            if one.layer == "conv1" and one.kernel == "conv2d":
                bound = exe._bound[exe.program.forward[number]]
                exe._bound[exe.program.forward[number]] = lambda bound=bound: (barrier.wait(), bound())
        exe.forward(**feeds(exe.net))
    assert not barrier.broken


def test_sends_overlap_with_kernels() -> None:
    """A send of one device ends only when a later kernel of the same device has begun."""
    with runtime.compile(net_of("alexnet"), devices(2), seed=5, split="batch", threads=2) as exe:
        steps = exe.program.backward
        first = next(i for i, one in enumerate(steps) if one.kernel == "send" and one.layer == "fc7" and one.device == 1)
        later = next(i for i, one in enumerate(steps) if i > first and one.layer == "fc6" and one.device == 1)
        begun = threading.Event()
        send, kernel = exe._bound[exe.program.backward[first]], exe._bound[exe.program.backward[later]]
        met: list[bool] = []
        exe._bound[exe.program.backward[first]] = lambda: (met.append(begun.wait(30)), send())
        exe._bound[exe.program.backward[later]] = lambda: (begun.set(), kernel())
        exe.forward(**feeds(exe.net))
        exe.backward()
    assert met == [True]
