"""ONNX of other shapes and orders of the same elements, of sums over axes, and of results."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import writes
from runtime.exchange.onnx_out.sources import FLOAT


@writes("Flatten")
def flatten(layer: Any, on: Scope) -> None:
    axes, shape = len(layer.bottoms[0].shape), layer.tops[0].shape
    if layer.axis == 1 and layer.end_axis == axes - 1:
        on.out("Flatten", on.x, axis=1)
    else:
        on.out("Reshape", on.x, on.whole(*_sizes(layer.bottoms[0].shape, shape, layer.axis), form="shape"))


@writes("Reshape")
def reshape(layer: Any, on: Scope) -> None:
    """The first axis is kept by 0, or takes what is left, so that the number of images may vary."""
    wanted = list(layer.p.shape.dim)
    free = wanted.index(-1) + max(layer.p.axis, 0) if -1 in wanted and layer.p.axis >= 0 else 0
    on.out("Reshape", on.x, on.whole(*_sizes(layer.bottoms[0].shape, layer.tops[0].shape, free), form="shape"))


def _sizes(before: tuple[int, ...], after: tuple[int, ...], free: int) -> list[int]:
    """The shape as ONNX's Reshape takes it: the first axis kept where it is the same, else one axis takes what is left."""
    if before[:1] == after[:1] and free != 0:
        return [0, *after[1:]]
    return [*after[:free], -1, *after[free + 1 :]] if after else []


@writes("Permute")
def permute(layer: Any, on: Scope) -> None:
    on.out("Transpose", on.x, perm=layer.order)


@writes("ShuffleChannel")
def shuffle_channel(layer: Any, on: Scope) -> None:
    _, channels, *sides = layer.bottoms[0].shape
    group = layer.group
    apart = on.reshaped(on.x, -1, group, channels // group, prod(sides))
    on.out("Reshape", on.op("Transpose", apart, perm=(0, 2, 1, 3)), on.whole(-1, channels, *sides, form="shape"))


@writes("Reorg")
def reorg(layer: Any, on: Scope) -> None:
    """darknet's order, which is not that of SpaceToDepth: an image is read as fewer channels of more pixels."""
    s = layer.stride
    _, C, H, W = layer.bottoms[0].shape
    if layer.reverse:
        dealt = on.op("Transpose", on.reshaped(on.x, -1, s, s, C // s**2, H, W), perm=(0, 3, 4, 1, 5, 2))
    else:
        dealt = on.op("Transpose", on.reshaped(on.x, -1, C // s**2, H, s, W, s), perm=(0, 3, 5, 1, 2, 4))
    on.out("Reshape", dealt, on.whole(-1, *layer.tops[0].shape[1:], form="shape"))


@writes("Reduction")
def reduction(layer: Any, on: Scope) -> None:
    shape = layer.bottoms[0].shape
    x, factor = on.x, float(layer.coeff)
    if layer.operation == "MEAN":
        factor /= prod(shape[layer.axis :])
    elif layer.operation == "ASUM":
        x = on.op("Abs", x)
    elif layer.operation == "SUMSQ":
        x = on.op("Mul", x, x)
    axes = on.whole(*range(layer.axis, len(shape)), form="axes")
    if factor == 1:
        on.out("ReduceSum", x, axes, keepdims=0)
    else:
        on.out("Mul", on.op("ReduceSum", x, axes, keepdims=0), on.constant(np.float32(factor), "factor"))


@writes("Softmax")
def softmax(layer: Any, on: Scope) -> None:
    on.out("Softmax", on.x, axis=layer.axis)


@writes("ArgMax")
def argmax(layer: Any, on: Scope) -> None:
    """Of equals the last one: the axis is read from its end."""
    x, axis = on.x, layer.axis
    if axis is None:
        x, axis = on.op("Flatten", x, axis=1), 1
    size = prod(layer.bottoms[0].shape[1:]) if layer.axis is None else layer.bottoms[0].shape[axis]
    if layer.top_k == 1 and not layer.out_max_val:
        indices = on.op("ArgMax", x, axis=axis, keepdims=1, select_last_index=1)
        values = ""
    else:
        turned = on.op("Slice", x, *on.bounds([-1], [-size - 1], [axis]), on.whole(-1, form="steps"))
        values, at = on.op("TopK", turned, on.whole(layer.top_k, form="k"), outputs=2, axis=axis)
        indices = on.op("Sub", on.constant(np.int64(size - 1), "last"), at)
    numbers = on.op("Cast", indices, to=FLOAT)
    if layer.axis is not None:
        on.out("Identity", values if layer.out_max_val else numbers)
        return
    rows = on.op("Concat", numbers, values, axis=1) if layer.out_max_val else numbers
    on.out("Reshape", rows, on.whole(-1, *layer.tops[0].shape[1:], form="shape"))
