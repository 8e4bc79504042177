"""Layers of other shapes and orders of the same elements, of joining and cutting."""

from __future__ import annotations

from itertools import accumulate
from math import prod

import numpy as np

from runtime.exchange.onnx_in.layers import Layers, reads
from runtime.exchange.onnx_in.model import Node
from runtime.exchange.onnx_in.products import read_towers


@reads("Reshape", "Squeeze", "Unsqueeze", "Flatten")
def reshape(node: Node, into: Layers) -> None:
    """A Flatten where all axes but that of the images become one, else a Reshape."""
    if node.kind == "Reshape" and read_towers(node, into):
        return
    before, after = into.shape_of(node.inputs[0]), into.shape_of(node.outputs[0])
    if _begins_inner_product(node, into):
        return
    if after == (*before[:1], prod(before[1:])) and len(before) > 1:
        into.add(node, "Flatten", node.inputs[:1], node.outputs[:1])
        return
    shape = into.add(node, "Reshape", node.inputs[:1], node.outputs[:1]).reshape_param.shape
    shape.dim.extend([0, *after[1:]] if before[:1] == after[:1] else after)


def _begins_inner_product(node: Node, into: Layers) -> bool:
    """Whether it is the Flatten that netdef writes before an InnerProduct, which flattens by itself."""
    reader = into.only_reader(node.outputs[0], "Gemm")
    if node.kind != "Flatten" or reader is None or not into.model.by_netdef or node.name != f"{reader.name}/Flatten":
        return False
    if node.attributes.get("axis", 1) != 1:
        return False
    into.model.nodes[into.model.nodes.index(reader)] = reader.reading(node.outputs[0], node.inputs[0])
    return True


@reads("Transpose")
def transpose(node: Node, into: Layers) -> None:
    axes = len(into.shape_of(node.inputs[0]))
    into.add(node, "Permute", node.inputs[:1], node.outputs[:1], order=list(node.attributes.get("perm", range(axes)[::-1])))


@reads("Concat")
def concat(node: Node, into: Layers) -> None:
    if any(name in into.model.constants for name in node.inputs):
        raise into.model.refused(node, "it joins a constant")
    axis = node.attributes["axis"] % len(into.shape_of(node.inputs[0]))
    into.add(node, "Concat", node.inputs, node.outputs[:1], axis=axis if axis != 1 else None)


@reads("Identity")
def identity(node: Node, into: Layers) -> None:
    """Of an output that is another value too."""
    into.add(node, "Split", node.inputs[:1], node.outputs[:1])


@reads("Split")
def split(node: Node, into: Layers) -> None:
    axis = node.attributes.get("axis", 0) % len(into.shape_of(node.inputs[0]))
    lengths = [into.shape_of(name)[axis] for name in node.outputs]
    _slice(node, into, axis, lengths, list(node.outputs))


def _slice(node: Node, into: Layers, axis: int, lengths: list[int], tops: list[str]) -> None:
    points = list(accumulate(lengths))[:-1] if len(set(lengths)) > 1 else []
    into.add(node, "Slice", node.inputs[:1], tops, axis=axis if axis != 1 else None, slice_point=points)
    unread = [name for name in tops if name not in into.model.outputs and not into.model.readers(name)]
    if unread:
        into.add(node, "Silence", unread, [], suffix="/unread")


@reads("Slice")
def cut(node: Node, into: Layers) -> None:
    """A Slice along each axis that is cut; what it does not keep is silenced."""
    shape, bounds = into.shape_of(node.inputs[0]), _bounds(node, into)
    if bounds is None:
        raise into.model.refused(node, "it cuts where the net says, or in steps")
    cuts = [(axis, begin, end) for axis, (begin, end) in bounds.items() if (begin, end) != (0, shape[axis])]
    if not cuts:
        into.add(node, "Split", node.inputs[:1], node.outputs[:1])
    value, sizes = node.inputs[0], list(shape)
    for number, (axis, begin, end) in enumerate(cuts, 1):
        name = node.outputs[0] if number == len(cuts) else f"{node.outputs[0]}/{number}"
        pieces = [(begin, f"{name}/before"), (end - begin, name), (sizes[axis] - end, f"{name}/after")]
        for length, piece in pieces:
            into.model.shapes[piece] = (*sizes[:axis], length, *sizes[axis + 1 :])
        kept = [(length, piece) for length, piece in pieces if length]
        named = Node(node.kind, node.name, (value,), node.outputs, {})
        lengths, tops = [length for length, _ in kept], [piece for _, piece in kept]
        points = list(accumulate(lengths))[:-1]
        suffix = "" if number == len(cuts) else f"/{number}"
        into.add(named, "Slice", [value], tops, suffix=suffix, axis=axis if axis != 1 else None, slice_point=points)
        into.add(named, "Silence", [piece for piece in tops if piece != name], [], suffix=f"/unread{suffix}")
        value, sizes[axis] = name, end - begin


def _bounds(node: Node, into: Layers) -> dict[int, tuple[int, int]] | None:
    """(begin, end) along each axis that it names; None where they are not fixed, or in steps."""
    shape = into.shape_of(node.inputs[0])
    if into.model.opset < 10:
        starts, ends, axes = (node.attributes.get(name) for name in ("starts", "ends", "axes"))
        steps = None
    else:
        starts, ends, axes, steps = (into.constant(node.input(index)) if node.input(index) else None for index in range(1, 5))
    if starts is None or ends is None or (steps is not None and any(step != 1 for step in np.ravel(steps))):
        return None
    found = {}
    for axis, start, end in zip(axes if axes is not None else range(len(starts)), starts, ends, strict=True):
        size = shape[int(axis) % len(shape)]
        begin, stop = (int(one) + size * (one < 0) for one in (start, end))
        found[int(axis) % len(shape)] = min(max(begin, 0), size), min(max(stop, 0), size)
    return found
