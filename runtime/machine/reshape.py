"""Shapes that change: those that a caller gives, those that a run finds, and the memory of the program for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile
from operator import index
from typing import TYPE_CHECKING

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.source import excerpt
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened
from runtime.ir.program import Buffer, Instruction, Program
from runtime.machine.device import BoundInstruction, Device
from runtime.machine.memory import Memory
from runtime.machine.open import different
from runtime.machine.ranks.ranks import Ranks
from runtime.ops.changed_shapes import ShapesChangedError

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net

Shape = tuple[int, ...]


def given_shapes(net: Net, shapes: Mapping[str, Sequence[int]]) -> dict[str, Shape]:
    """The shapes that a caller gives inputs of a net, by name.

    Raises
    ------
    NetdefError: there is no such input, or what it is given is no shape.
    """
    inputs = [blob.name for blob in net.inputs]
    for name in shapes:
        if name not in inputs:
            hint = did_you_mean(name, inputs) or "its inputs: " + (shortened([*inputs]) or "none")
            raise NetdefError(f"'{name}' is not an input of net '{net.name}'", hint=hint)
    return {name: _shape(shape, name) for name, shape in shapes.items()}


def _shape(values: Sequence[int], name: str) -> Shape:
    """A shape that a user gives. Raises NetdefError: it is none."""
    try:
        return tuple(map(index, values))
    except TypeError:
        text = f"the shape of '{name}' is {excerpt(repr(values))}"
        raise NetdefError(text, hint="it is a tuple of numbers, such as (1, 3, 224, 224)") from None


def check_parameters_fit(net: Net, other: Net) -> None:
    """Raises NetdefError: a parameter of a net has another shape in the same net with other inputs."""
    for mine, new in zip(net.parameters, other.parameters, strict=True):
        if mine.shape != new.shape:
            text = f"parameter {mine} is {shape_text(mine.shape)}, and would be {shape_text(new.shape)} for these inputs"
            raise NetdefError(text, position=mine.layer.position, hint="weights stay as they are, and so must their shapes")


def follow_memory(
    before: Memory,
    old: Program,
    new: Program,
    devices: Sequence[Device],
    bound: Collection[BoundInstruction],
    ranks: Ranks | None = None,
) -> Memory:
    """The memory of the same net's program for other shapes; that of the old one, and what was bound to it, end.

    What the host has written stays, where its shape does.
    """
    for device in different(devices):
        device.synchronize()
    memory = Memory(new, devices, own_parameters=False, before=before, ranks=ranks)
    with before.only_here():
        kept = {(buffer.name, buffer.device, buffer.shape): before.read(buffer) for buffer in _from_host(old)}
    for device in different(devices):
        device.forget(bound)
    before.leave()
    for buffer in _from_host(new):
        if (buffer.name, buffer.device, buffer.shape) in kept:
            memory.write(buffer, kept[buffer.name, buffer.device, buffer.shape])
    return memory


def _from_host(program: Program) -> list[Buffer]:
    """What the host has written, and may not write again before the next run."""
    return [buffer for buffer in program.plan.offsets if buffer.role in ("input", "scalar")] if program.plan else []


def check_runs_again(changed: ShapesChangedError, program: Program, net: Net, devices: Sequence[Device]) -> None:
    """Raises NetdefError: a layer that keeps sums of runs would add this one twice, as the run starts again in other shapes."""
    for instruction in _ran_before(changed.layer, program, net, devices):
        kept = [buffer for buffer in instruction.outputs if buffer.root.role in ("state", "carried")]
        if kept and instruction.kernel != "remember":
            what = f"{changed.diagnostics[0].message}: layer {instruction.layer} before it keeps sums, and would run twice"
            raise NetdefError(what, changed.diagnostics[0].position, "let what changes shapes come before it")


def _ran_before(layer: Layer, program: Program, net: Net, devices: Sequence[Device]) -> Iterator[Instruction]:
    """The forward instructions that may have run before a layer's: on several devices all that do not wait for it."""
    if len(different(devices)) == 1:
        return takewhile(lambda instruction: instruction.layer != layer.name, program.forward)
    behind = {layer.name}
    for one in net.layers:
        if any(blob.producer.name in behind for blob in one.bottoms):
            behind.add(one.name)
    return (instruction for instruction in program.forward if instruction.layer not in behind)
