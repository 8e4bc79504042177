"""Parameters that several devices hold whole: gradients are summed and weights updated by a slice on each device.

Every device sends its gradient of each slice to the device that updates it, which adds them in the order of the devices; after
the update the new weights of the slice go to the other copies.  So no sum is made twice, and all copies are equal to the bit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from netdef.graph.cuts import Cut, Run, even_cuts
from netdef.graph.layer import Parameter
from runtime.compiler.placement.reduce import Slice, reduced
from runtime.ir.division import Shard
from runtime.ir.program import SEND, Buffer, Instruction, Program

LINE = 16  # floats in a cache line: slices begin on one
FLOAT = 4  # bytes
SMALL = 4096  # floats; what is smaller is updated by one device


@dataclass(frozen=True)
class _Copies:
    """The copies of a parameter, or of a cut of it, that have a gradient, and which slice each of their devices updates."""

    owner: Parameter
    shards: Sequence[Shard]
    spans: Sequence[Run]


@dataclass(frozen=True)
class Buckets:
    """How gradients and weights go between ranks: small ones together, large ones in pieces, in messages of about some size.

    bytes: of a message.  ranks: by device, which rank has it.
    fast: whether the library between ranks adds up what all of them hold, in an order of its own; each has one device then.
    """

    bytes: int
    ranks: Sequence[int]
    fast: bool = False

    def adds(self, devices: Collection[int]) -> bool:
        """Whether the library adds up what these devices hold."""
        return self.fast and len(devices) == len(self.ranks)

    def crosses(self, source: int, target: int) -> bool:
        """Whether what one device sends another goes to another rank."""
        return self.ranks[source] != self.ranks[target]


def sum_copies(program: Program, buckets: Buckets | None = None, at_once: int = 2) -> Program:
    """Let backward end in gradients that are sums over all copies, each slice of them on one device.

    What is sent leaves as soon as it is there; it is added when the layer after has been through backward, so that the sending
    is hidden behind that layer's work.

    buckets: how gradients go between ranks; None: each slice by itself.
    at_once: how many slices a kernel adds up.
    """
    division = program.division
    if division is None:
        return program
    found = [copies for owner, shards in division.shards.items() for copies in _copies(program, owner, shards)]
    if not found:
        return program
    gradients, writers = dict(program.parameter_gradients), _last_writers(program)
    owned: dict[Parameter, list[tuple[Shard, Run, Buffer]]] = {}
    sends: dict[Instruction, list[Instruction]] = {}
    sums: dict[Instruction, list[Instruction]] = {}
    for bucket in _together(found, writers, program, buckets):
        last = _last(bucket, writers, program)
        done = program.backward[max(last.values())]
        waiting: list[Instruction] = []
        slices: list[Slice] = []
        for copies in bucket:
            local = {shard.device: gradients.pop(shard.parameter) for shard in copies.shards}
            for shard, span in zip(copies.shards, copies.spans, strict=True):
                if span[0] == span[1]:
                    continue
                own = _span(local[shard.device], span)
                owned.setdefault(copies.owner, []).append((shard, span, own))
                if buckets is not None and buckets.adds(local):
                    slices += [
                        Slice(shard.device, {device: _span(one, piece) for device, one in local.items()}, copies.owner.layer.name)
                        for piece in _pieces(span, buckets)
                    ]
                    continue
                received = {
                    device: Buffer(f"{gradient.name}:{device}", (span[1] - span[0],), "gradient", device=shard.device)
                    for device, gradient in local.items()
                    if device != shard.device
                }
                for piece in _pieces(span, buckets):
                    here = (piece[0] - span[0], piece[1] - span[0])
                    rooms = {device: _within(room, here) for device, room in received.items()}
                    waiting += [
                        Instruction(SEND, (_span(local[device], piece),), (room,), {}, copies.owner.layer.name)
                        for device, room in rooms.items()
                    ]
                    sums.setdefault(done, []).extend(_sum(copies.owner, rooms, _within(own, here), shard.device, at_once))
        for send in joined(waiting, buckets):
            sends.setdefault(program.backward[last[send.device]], []).append(send)
        if buckets is not None:
            sends.setdefault(done, []).extend(reduced(slices, buckets.bytes))
    backward = tuple(_arranged(program.backward, sends, sums))
    order = dict.fromkeys(copies.owner for copies in found)  # whatever is sent together: norms are summed in it
    summed = replace(program, backward=backward, parameter_gradients=gradients)
    return _by_slices(summed, {owner: owned[owner] for owner in order})


def _by_slices(program: Program, owned: Mapping[Parameter, Sequence[tuple[Shard, Run, Buffer]]]) -> Program:
    """A program that updates each slice of copies on one device.  owned: the copy, the slice of it, and where its sum is."""
    division = program.division
    assert division is not None
    learned: dict[Parameter, Buffer] = {}
    gradients = dict(program.parameter_gradients)
    updated: dict[Parameter, list[Shard]] = {}
    for owner, slices in owned.items():
        for shard, span, own in slices:
            slice_ = _slice(owner, shard, span)
            weights = program.parameters[shard.parameter]
            if shard.cut is not None and span == (0, weights.size):
                updated.setdefault(owner, []).append(Shard(shard.device, slice_, cut=shard.cut))
                learned[slice_], gradients[slice_] = weights, own.view(weights.shape)
            else:
                updated.setdefault(owner, []).append(Shard(shard.device, slice_, shard.cut, span))
                learned[slice_], gradients[slice_] = _span(weights, span), own
        updated[owner] += [shard for shard in division.shards[owner] if shard.parameter in gradients]  # cuts that one device has
    division = replace(division, learned=updated)
    return replace(program, parameter_gradients=gradients, learned=learned, division=division)


def return_weights(program: Program, buckets: Buckets | None = None) -> Program:
    """Append to the update list the sends that bring each updated slice to the other copies; buckets: as `sum_copies`."""
    division = program.division
    if division is None or not program.update:
        return program
    sends = []
    for owner, slices in division.learned.items():
        for slice_ in slices:
            for shard in division.shards[owner]:
                if shard.device != slice_.device and shard.cut == slice_.cut:
                    target, weights = program.parameters[shard.parameter], program.learned[slice_.parameter]
                    span = slice_.span or (0, weights.size)
                    for begin, end in _pieces(span, buckets):
                        source = _within(weights if slice_.span else weights.flat(), (begin - span[0], end - span[0]))
                        sends.append(Instruction(SEND, (source,), (_span(target, (begin, end)),), {}, owner.layer.name))
    return replace(program, update=(*program.update, *joined(sends, buckets)))


def joined(sends: Iterable[Instruction], buckets: Buckets | None) -> Iterator[Instruction]:
    """The sends, those from one device to another of another rank as few messages of about a bucket's size."""
    filling: dict[tuple[int, int], list[Instruction]] = {}
    for send in sends:
        pair = send.device, send.outputs[0].device
        if buckets is None or not buckets.crosses(*pair):
            yield send
            continue
        before = filling.get(pair, [])
        if before and sum(one.outputs[0].bytes for one in [*before, send]) > buckets.bytes:
            yield _message(before)
            before = []
        filling[pair] = [*before, send]
    for waiting in filling.values():
        yield _message(waiting)


def _message(sends: Sequence[Instruction]) -> Instruction:
    """Some sends between the same devices as one; it is of the layer that comes last."""
    if len(sends) == 1:
        return sends[0]
    inputs = tuple(buffer for one in sends for buffer in one.inputs)
    outputs = tuple(buffer for one in sends for buffer in one.outputs)
    return Instruction(SEND, inputs, outputs, {}, sends[-1].layer)


def _pieces(span: Run, buckets: Buckets | None) -> list[Run]:
    """A slice in pieces of about a bucket's size."""
    size = span[1] - span[0]
    count = 1 if buckets is None else min(-(-size * FLOAT // buckets.bytes), size)  # no piece is empty
    return [(span[0] + a, span[0] + b) for a, b in even_cuts(size, count)] if count > 1 else [span]


def _last(bucket: Sequence[_Copies], writers: dict[Buffer, int], program: Program) -> dict[int, int]:
    """By device, the number of the backward instruction after which its gradients of a bucket are complete."""
    last: dict[int, int] = {}
    for copies in bucket:
        for shard in copies.shards:
            number = writers[program.parameter_gradients[shard.parameter].root]
            last[shard.device] = max(last.get(shard.device, 0), number)
    return last


def _together(
    found: Sequence[_Copies], writers: dict[Buffer, int], program: Program, buckets: Buckets | None
) -> Iterator[list[_Copies]]:
    """Parameters whose gradients are sent together: those that backward makes one after the other, until they fill a bucket."""
    if buckets is None:
        yield from ([copies] for copies in found)
        return
    bucket: list[_Copies] = []
    for copies in sorted(found, key=lambda one: max(_last([one], writers, program).values())):
        bucket.append(copies)
        if sum(max(end - begin for begin, end in one.spans) for one in bucket) * FLOAT >= buckets.bytes:
            yield bucket
            bucket = []
    if bucket:
        yield bucket


def _copies(program: Program, owner: Parameter, shards: Sequence[Shard]) -> Iterator[_Copies]:
    """The copies of a parameter, or of each of its cuts, if there are several and it learns."""
    cuts: dict[Cut | None, list[Shard]] = {}
    for shard in shards:
        cuts.setdefault(shard.cut, []).append(shard)
    for number, (cut, alike) in enumerate(cuts.items()):
        learning = [shard for shard in alike if shard.parameter in program.parameter_gradients]
        if len(alike) < 2 or not learning or owner.lr_mult == 0:
            continue
        count = learning[0].parameter.count
        if count < SMALL:  # updated as a whole; of several cuts, each by another device
            first = number % len(learning) if cut is not None else 0
            yield _Copies(owner, learning, [(0, count) if index == first else (0, 0) for index in range(len(learning))])
            continue
        lines = even_cuts(-(-count // LINE), len(learning))
        yield _Copies(owner, learning, [(a * LINE, min(b * LINE, count)) for a, b in lines])


def _last_writers(program: Program) -> dict[Buffer, int]:
    """The number of the backward instruction after which a buffer is complete."""
    return {buffer.root: number for number, instruction in enumerate(program.backward) for buffer in instruction.outputs}


def _sum(owner: Parameter, received: dict[int, Buffer], own: Buffer, device: int, at_once: int) -> Iterator[Instruction]:
    """own = the sum over all devices, in their order, by kernels that add so many."""
    total, *rest = (buffer for _, buffer in sorted({**received, device: own}.items()))
    while rest:
        taken, rest = rest[: at_once - 1], rest[at_once - 1 :]
        target = own if not rest or any(slice_ is own for slice_ in (total, *taken)) else total
        kernel = "add" if len(taken) == 1 else f"add_{len(taken) + 1}"
        yield Instruction(kernel, (total, *taken), (target,), {}, owner.layer.name)
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


def _within(buffer: Buffer, span: Run) -> Buffer:
    """Some of a buffer's elements; the buffer itself where it is all of them."""
    return buffer if span == (0, buffer.size) else _span(buffer, span)


def _slice(owner: Parameter, shard: Shard, span: Run) -> Parameter:
    """A slice of a copy, as the parameter that it is to a solver."""
    layer, index = shard.parameter.layer, shard.parameter.index
    shape = shard.parameter.shape if shard.cut is not None and span == (0, shard.parameter.count) else (span[1] - span[0],)
    return Parameter(layer, index, shape, owner.filler, owner.lr_mult, owner.decay_mult, owner.name)
