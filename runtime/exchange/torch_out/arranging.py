"""Lines of layers that give, join or order numbers, of sums over axes, and of results."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

from runtime.exchange.torch_out.lines import Scope, number, refused, writes
from runtime.exchange.torch_out.rules import times


@writes("DummyData")
def dummy_data(layer: Any, on: Scope) -> None:
    for index, filler in enumerate(layer.fillers):
        on.let(on.buffer(f"torch.full({tuple(layer.tops[index].shape)}, {number(filler.value)}, dtype=torch.float32)"), index)


@writes("Parameter")
def parameter(layer: Any, on: Scope) -> None:
    on.let(on.parameter(on.array(0)))


@writes("Concat")
def concat(layer: Any, on: Scope) -> None:
    on.let(f"torch.cat(({', '.join(on.inputs)},), {layer.axis})")


@writes("Slice")
def slice_blob(layer: Any, on: Scope) -> None:
    sizes = [end - begin for begin, end in pairwise(layer.points)]
    on.let_all(f"{on.x}.split({sizes}, {layer.axis})")


@writes("Split")
def split(layer: Any, on: Scope) -> None:
    for top in range(len(layer.tops)):
        on.let(on.x, top)


@writes("Crop")
def crop(layer: Any, on: Scope) -> None:
    spans = [":"] * layer.axis
    for axis in range(layer.axis, len(layer.tops[0].shape)):
        begin = layer.offsets[axis]
        spans.append(f"{begin}:{begin + layer.tops[0].shape[axis]}")
    on.let(f"{on.x}[{', '.join(spans)}]")


@writes("Flatten")
def flatten(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.flatten({layer.axis}, {layer.end_axis})")


@writes("Reshape")
def reshape(layer: Any, on: Scope) -> None:
    before, after = layer.bottoms[0].shape, layer.tops[0].shape
    first = f"{on.x}.shape[0]" if before[:1] == after[:1] else "-1"
    on.let(f"{on.x}.reshape({', '.join([first, *map(str, after[1:])])})")


@writes("Permute")
def permute(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.permute({', '.join(map(str, layer.order))})")


@writes("ShuffleChannel")
def shuffle_channel(layer: Any, on: Scope) -> None:
    on.let(f"F.channel_shuffle({on.x}, {layer.group})")


@writes("Tile")
def tile(layer: Any, on: Scope) -> None:
    repeats = [1] * len(layer.tops[0].shape)
    repeats[layer.axis] = layer.tiles
    on.let(f"{on.x}.repeat({', '.join(map(str, repeats))})")


@writes("Reorg")
def reorg(layer: Any, on: Scope) -> None:
    """darknet's order: an image is read as fewer channels of more pixels."""
    s = layer.stride
    _, C, H, W = layer.bottoms[0].shape
    if layer.reverse:
        dealt = f"reshape(-1, {s}, {s}, {C // s**2}, {H}, {W}).permute(0, 3, 4, 1, 5, 2)"
    else:
        dealt = f"reshape(-1, {C // s**2}, {H}, {s}, {W}, {s}).permute(0, 3, 5, 1, 2, 4)"
    on.let(f"{on.x}.{dealt}.reshape(-1, {', '.join(map(str, layer.tops[0].shape[1:]))})")


@writes("BatchReindex")
def batch_reindex(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}[{on.inputs[1]}.long()]")


@writes("Filter")
def keep_some(layer: Any, on: Scope) -> None:
    for index, x in enumerate(on.inputs[:-1]):
        on.let(f"{x}[{on.inputs[-1]}.reshape(-1) != 0]", index)


@writes("Im2col")
def im2col(layer: Any, on: Scope) -> None:
    if layer.axis != 1 or len(layer.kernel) != 2:
        raise refused(layer, f"a window over {len(layer.kernel)} axes from axis {layer.axis} has no line", "axis")
    window = ", ".join(map(str, (layer.kernel, layer.dilation, layer.pad, layer.stride)))
    on.let(f"F.unfold({on.x}, {window}).unflatten(2, {tuple(layer.tops[0].shape[2:])})")


@writes("Reduction")
def reduction(layer: Any, on: Scope) -> None:
    shape, x = layer.bottoms[0].shape, {"ASUM": f"{on.x}.abs()", "SUMSQ": f"{on.x}.square()"}.get(layer.operation, on.x)
    factor = layer.coeff / (prod(shape[layer.axis :]) if layer.operation == "MEAN" else 1)
    on.let(times(f"{x}.sum({tuple(range(layer.axis, len(shape)))})", factor))


@writes("Softmax")
def softmax(layer: Any, on: Scope) -> None:
    on.let(f"{on.x}.softmax({layer.axis})")


@writes("ArgMax")
def argmax(layer: Any, on: Scope) -> None:
    """Of equals the last one."""
    x, axis = (on.x, layer.axis) if layer.axis is not None else (f"{on.x}.flatten(1)", 1)
    values, indices = (f"{on.call('largest')}({x}, {axis}, {layer.top_k})[{index}]" for index in (0, 1))
    if layer.axis is not None:
        on.let(values if layer.out_max_val else f"{indices}.float()")
        return
    rows = f"torch.stack(({indices}.float(), {values}), 1)" if layer.out_max_val else f"{indices}.float()"
    on.let(f"{rows}.reshape(-1, {', '.join(map(str, layer.tops[0].shape[1:]))})")
