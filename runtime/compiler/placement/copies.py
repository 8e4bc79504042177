"""Parameters that several devices hold whole: gradients are summed and weights updated by a slice on each device.

Every device sends its gradient of each slice to the device that updates it, which adds them in the order of the devices; after
the update the new weights of the slice go to the other copies.  So no sum is made twice, and all copies are equal to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from netdef.graph.cuts import Run, even_cuts
from netdef.graph.layer import Parameter
from runtime.ir.division import Shard
from runtime.ir.program import SEND, Buffer, Instruction, Program

LINE = 16  # floats in a cache line: slices begin on one
SMALL = 4096  # floats; what is smaller is updated by one device


@dataclass(frozen=True)
class _Copies:
    """One parameter's copies that have a gradient, and which slice each of their devices updates."""

    owner: Parameter
    shards: Sequence[Shard]
    spans: Sequence[Run]


def sum_copies(program: Program) -> Program:
    """Let backward end in gradients that are sums over all copies, each slice of them on one device.

    What is sent leaves as soon as it is there; it is added when the layer after has been through backward, so that the sending
    is hidden behind that layer's work.
    """
    division = program.division
    if division is None:
        return program
    found = [copies for owner, shards in division.shards.items() if (copies := _copies(program, owner, shards))]
    if not found:
        return program
    gradients, writers = dict(program.parameter_gradients), _last_writers(program)
    learned: dict[Parameter, Buffer] = {}
    slices: dict[Parameter, list[Shard]] = {}
    sends: dict[Instruction, list[Instruction]] = {}
    sums: dict[Instruction, list[Instruction]] = {}
    for copies in found:
        local = {shard.device: gradients.pop(shard.parameter) for shard in copies.shards}
        numbers = {device: writers[gradient.root] for device, gradient in local.items()}
        last, done = {device: program.backward[n] for device, n in numbers.items()}, program.backward[max(numbers.values())]
        for shard, span in zip(copies.shards, copies.spans, strict=True):
            if span[0] == span[1]:
                continue
            received: dict[int, Buffer] = {}
            for device, gradient in local.items():
                if device != shard.device:
                    room = Buffer(f"{gradient.name}:{device}", (span[1] - span[0],), "gradient", device=shard.device)
                    received[device] = room
                    send = Instruction(SEND, (_span(gradient, span),), (room,), {}, copies.owner.layer.name)
                    sends.setdefault(last[device], []).append(send)
            sums.setdefault(done, []).extend(_sum(copies.owner, received, _span(local[shard.device], span), shard.device))
            slice_ = _slice(copies.owner, shard, span)
            slices.setdefault(copies.owner, []).append(Shard(shard.device, slice_, span=span))
            learned[slice_] = _span(program.parameters[shard.parameter], span)
            gradients[slice_] = _span(local[shard.device], span)
    backward = tuple(_arranged(program.backward, sends, sums))
    division = replace(division, learned=slices)
    return replace(program, backward=backward, parameter_gradients=gradients, learned=learned, division=division)


def return_weights(program: Program) -> Program:
    """Append to the update list the sends that bring each updated slice to the other copies."""
    division = program.division
    if division is None or not program.update:
        return program
    sends = []
    for owner, slices in division.learned.items():
        for slice_ in slices:
            for shard in division.shards[owner]:
                if shard.device != slice_.device and slice_.span is not None:
                    target = _span(program.parameters[shard.parameter], slice_.span)
                    sends.append(Instruction(SEND, (program.learned[slice_.parameter],), (target,), {}, owner.layer.name))
    return replace(program, update=(*program.update, *sends))


def _copies(program: Program, owner: Parameter, shards: Sequence[Shard]) -> _Copies | None:
    """The copies of a parameter, if it has several and learns."""
    if len(shards) < 2 or any(shard.cut is not None for shard in shards):
        return None
    learning = [shard for shard in shards if shard.parameter in program.parameter_gradients]
    if not learning or owner.lr_mult == 0:
        return None
    if owner.count < SMALL:
        return _Copies(owner, learning, [(0, owner.count), *[(0, 0)] * (len(learning) - 1)])
    lines = even_cuts(-(-owner.count // LINE), len(learning))
    return _Copies(owner, learning, [(a * LINE, min(b * LINE, owner.count)) for a, b in lines])


def _last_writers(program: Program) -> dict[Buffer, int]:
    """The number of the backward instruction after which a buffer is complete."""
    return {buffer.root: number for number, instruction in enumerate(program.backward) for buffer in instruction.outputs}


def _sum(owner: Parameter, received: dict[int, Buffer], own: Buffer, device: int) -> Iterator[Instruction]:
    """own = the sum over all devices, in their order."""
    slices = [buffer for _, buffer in sorted({**received, device: own}.items())]
    total = slices[0]
    for index, slice_ in enumerate(slices[1:], start=1):
        target = own if index == len(slices) - 1 or total is own or slice_ is own else total
        yield Instruction("add", (total, slice_), (target,), {}, owner.layer.name)
        total = target


def _arranged(
    instructions: Sequence[Instruction], sends: dict[Instruction, list[Instruction]], sums: dict[Instruction, list[Instruction]]
) -> Iterator[Instruction]:
    """The instructions, each followed by what it lets be sent; sums wait until the next ones are due."""
    waiting: list[Instruction] = []
    for instruction in instructions:
        yield instruction
        yield from sends.get(instruction, ())
        if instruction in sums:
            if waiting and waiting[0].layer != instruction.layer:
                yield from waiting
                waiting = []
            waiting += sums[instruction]
    yield from waiting


def _span(buffer: Buffer, span: Run) -> Buffer:
    """Some of a buffer's elements, in memory's order."""
    return buffer.view((span[1] - span[0],), span[0])


def _slice(owner: Parameter, shard: Shard, span: Run) -> Parameter:
    """A slice of a copy, as the parameter that it is to a solver."""
    layer, index = shard.parameter.layer, shard.parameter.index
    return Parameter(layer, index, (span[1] - span[0],), owner.filler, owner.lr_mult, owner.decay_mult, owner.name)
