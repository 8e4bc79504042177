"""How transfers between the shares of a net lower: copies within a device, sends between two; backward the exact transposes."""

from __future__ import annotations

from math import prod

from runtime.ir.builder import Builder, Partial
from runtime.ir.program import SEND, Buffer, Instruction, internal_shape
from runtime.ops.registry import lowers
from runtime.ops.transfer.layer import Move, Transfer


@lowers(Transfer)
def lower(layer: Transfer, build: Builder) -> None:
    if not _becomes_view(layer, build):
        for move in layer.moves:
            _forward(layer, build, move)
    for index in range(len(layer.bottoms)):
        if build.needs_gradient(layer, index):
            _backward(layer, build, [move for move in layer.moves if move.bottom == index])


def _becomes_view(layer: Transfer, build: Builder) -> bool:
    """Let the top be a run of its bottom's memory where it can be one; whether it is."""
    x, top = build.bottom(layer, 0), layer.tops[0]
    shape = internal_shape(top.shape)
    if len(layer.moves) != 1 or x.device != layer.device or images_in(x.shape) != images_in(shape):
        return False
    offset = layer.moves[0].channels[0] * _unit(shape) * images_in(shape)
    build.blobs[top] = Buffer(str(top), shape, x.role, x.dtype, base=x, offset=offset)
    return True


def _forward(layer: Transfer, build: Builder, move: Move) -> None:
    x, y = build.bottom(layer, move.bottom), build.top(layer, 0)
    images = move.images[1] - move.images[0]
    source = _rows(x, move.channels[0], move.channels[1])
    target = _rows(y, move.to_channel, move.to_channel + move.channels[1] - move.channels[0])
    if images != source.shape[1]:
        direct = y.device == x.device and images == target.shape[1]
        packed = target if direct else _buffer_like(f"{x.name}.region", (source.shape[0], images), x)
        build.forward("take_columns", source, out=packed, offset=move.images[0])
        if direct:
            return
        source = packed
    if source.device != target.device:
        arrived = target if images == target.shape[1] else _buffer_like(f"{x.name}.region", source.shape, y)
        build.forward(SEND, source.flat(), out=arrived.flat())
        if arrived is target:
            return
        source = arrived
    if images == target.shape[1]:
        build.forward("copy", source.flat(), out=target.flat())
    else:
        build.forward("join_columns", source, out=target, offset=move.to_image)


def _backward(layer: Transfer, build: Builder, moves: list[Move]) -> None:
    """Send each region of the top's gradient back to where the region came from."""
    blob = layer.bottoms[moves[0].bottom]
    shape = internal_shape(blob.shape)
    back: list[tuple[Move, Buffer, bool]] = [(move, *_returned(layer, build, move)) for move in moves]
    count = sum((move.channels[1] - move.channels[0]) * (move.images[1] - move.images[0]) for move in moves)
    if count < channels_in(shape) * images_in(shape):
        partials = build.partial_contributions.setdefault(blob, [])
        partials += [Partial(region, move.channels, move.images, layer.demand, fresh) for move, region, fresh in back]
        return
    if len(back) == 1:
        build.contributions.setdefault(blob, []).append(back[0][1].view(shape))
        return
    total = Buffer(f"{blob}.grad.{layer.name}", shape, "gradient", device=blob.producer.device)
    build.contributions.setdefault(blob, []).append(total)
    for move, region, fresh in back:
        instruction = put(build, region, total, move.channels, move.images, fresh)
        if instruction is not None:
            build.backward(instruction.kernel, *instruction.inputs, out=instruction.outputs, **instruction.constants)


def _returned(layer: Transfer, build: Builder, move: Move) -> tuple[Buffer, bool]:
    """The gradient of what a move brought, on the device it came from, flat; and whether nothing else reads it."""
    dy, blob = build.top_gradient(layer, 0), layer.bottoms[move.bottom]
    images = move.images[1] - move.images[0]
    region = _rows(dy, move.to_channel, move.to_channel + move.channels[1] - move.channels[0])
    fresh = False
    if images != region.shape[1]:
        packed = _buffer_like(f"{blob}.grad.region", (region.shape[0], images), dy, "gradient")
        build.backward("take_columns", region, out=packed, offset=move.to_image)
        region, fresh = packed, True
    if blob.producer.device != layer.device:
        arrived = Buffer(f"{blob}.grad.{layer.name}", (region.size,), "gradient", device=blob.producer.device)
        build.backward(SEND, region.flat(), out=arrived)
        region, fresh = arrived, True
    return region if len(region.shape) == 1 else region.flat(), fresh


def put(
    build: Builder, region: Buffer, total: Buffer, channels: tuple[int, int], images: tuple[int, int], fresh: bool
) -> Instruction | None:
    """Put a region of a gradient where it belongs in the whole of it; no instruction at all if it can be written there at once."""
    target = _rows(total, *channels)
    if images[1] - images[0] != target.shape[1]:
        region = region.view((target.shape[0], images[1] - images[0]))
        return Instruction("join_columns", (region,), (target,), {"offset": images[0]})
    if fresh and region.base is None:
        build.substitutes[region] = target.flat()
        return None
    return Instruction("copy", (region,), (target.flat(),))


def _rows(buffer: Buffer, begin: int, end: int) -> Buffer:
    """Channels [begin, end) of a blob as rows, the images as columns."""
    unit, images = _unit(buffer.shape), images_in(buffer.shape)
    return buffer.view(((end - begin) * unit, images), begin * unit * images)


def _buffer_like(name: str, shape: tuple[int, ...], like: Buffer, role: str = "activation") -> Buffer:
    return Buffer(name, shape, role, like.dtype, device=like.device)


def images_in(shape: tuple[int, ...]) -> int:
    """How many images a buffer of this internal shape holds."""
    return shape[-1] if shape else 1


def channels_in(shape: tuple[int, ...]) -> int:
    """How many channels a buffer of this internal shape holds."""
    return shape[0] if len(shape) > 1 else 1


def _unit(shape: tuple[int, ...]) -> int:
    """Rows of one channel."""
    return prod(shape[1:-1])
