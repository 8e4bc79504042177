"""Layers of pooling.  Caffe rounds up; where the model does not, and that makes fewer windows, the layer says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdef.layers.window import pooled
from runtime.exchange.onnx_in.layers import Layers, reads
from runtime.exchange.onnx_in.model import Node
from runtime.exchange.onnx_in.products import pads_of
from runtime.exchange.onnx_out.pooling import Windows

FLOOR, AVE = 1, 1  # of PoolingParameter's enums


@reads("GlobalAveragePool", "GlobalMaxPool")
def whole(node: Node, into: Layers) -> None:
    if len(into.shape_of(node.inputs[0])) != 4:
        raise into.model.refused(node, "a Pooling takes images")
    into.add(node, "Pooling", node.inputs[:1], node.outputs[:1], pool=_method(node), global_pooling=True)


def _method(node: Node) -> int | None:
    """The field `pool`; None for the default, MAX."""
    return AVE if "Average" in node.kind else None


@reads("MaxPool", "AveragePool")
def pooling(node: Node, into: Layers) -> None:
    kernel = tuple(node.attributes["kernel_shape"])
    if len(kernel) != 2:
        raise into.model.refused(node, f"its windows have {len(kernel)} axes; those of a Pooling have 2")
    strides = tuple(node.attributes.get("strides", (1, 1)))
    if any(one != 1 for one in node.attributes.get("dilations", (1, 1))):
        raise into.model.refused(node, "a Pooling has no dilation")
    if len(node.outputs) > 1 and into.model.readers(node.outputs[1]):
        raise into.model.refused(node, "its indices are read; those of a Pooling count within a channel")
    begin, end = (tuple(one) for one in pads_of(node, into, kernel, strides, (1, 1)))
    _window(node, into, node.inputs[0], kernel, strides, begin, end, node.attributes.get("count_include_pad", 0))


def _window(node: Node, into: Layers, x: str, kernel: Any, strides: Any, begin: Any, end: Any, includes: int) -> None:
    """A Pooling with these windows, if it has one with the same numbers."""
    sides, counts = into.shape_of(x)[2:], into.shape_of(node.outputs[0])[2:]
    floor = rounding(sides, kernel, strides, begin, counts)
    if floor is None:
        raise into.model.refused(node, f"its padding, {begin} and {end}, makes windows that a Pooling does not have")
    windows = Windows(sides, kernel, strides, begin, counts)
    more = [max(0, beyond) for beyond in windows.beyond]
    counted = tuple(e - b for b, e in zip(begin, end, strict=True))
    if "Average" in node.kind and any((*begin, *end)):
        hidden = includes and any(extra > 0 for extra in counted)  # zeros beyond Caffe's padding that are counted
        if hidden or (any(begin) and not includes):
            raise into.model.refused(
                node, "its mean does not divide as Caffe's does, which counts the padding and nothing beyond it"
            )
    elif any(extra < 0 and beyond > -extra for extra, beyond in zip(counted, more, strict=True)):
        raise into.model.refused(node, f"its padding differs at both ends, {begin} and {end}")
    settings: dict[str, Any] = {"pool": _method(node)}
    for name, pair, idle in (("kernel", kernel, None), ("stride", strides, 1), ("pad", begin, 0)):
        field = "kernel_size" if name == "kernel" else name
        if pair[0] != pair[1]:
            settings |= {f"{name}_h": pair[0], f"{name}_w": pair[1]}
        elif pair[0] != idle:
            settings[field] = pair[0]
    into.add(node, "Pooling", [x], node.outputs[:1], **settings, round_mode=FLOOR if floor else None)


def rounding(sides: Any, kernel: Any, strides: Any, pads: Any, counts: Any) -> bool | None:
    """Whether a Pooling has to round down to make so many windows; None if it makes as many in no way."""
    for floor in (False, True):
        every = zip(sides, kernel, strides, pads, strict=True)
        if tuple(pooled(*window, floor=floor, clip=any(pads)) for window in every) == tuple(counts):
            return floor
    return None


@reads("Pad")
def padding(node: Node, into: Layers) -> None:
    """Zeros around an image, which the window behind them takes as its padding."""
    pads, axes = _pads(node, into), len(into.shape_of(node.inputs[0]))
    reader = into.only_reader(node.outputs[0], "AveragePool", "Conv")
    spatial = pads is not None and not any((*pads[:2], *pads[axes : axes + 2]))
    if pads is None or reader is None or not spatial or axes != 4:
        raise into.model.refused(node, "it adds other pixels than zeros around an image that one convolution or mean reads")
    begin, end = list(pads[2:axes]), list(pads[axes + 2 :])
    if reader.kind == "AveragePool":
        inner = pads_of(reader, into, reader.attributes["kernel_shape"], reader.attributes.get("strides", (1, 1)), (1, 1))
        if begin != end or any((*inner[0], *inner[1])):
            raise into.model.refused(node, f"its padding differs at both ends, {begin} and {end}")
        kernel, strides = tuple(reader.attributes["kernel_shape"]), tuple(reader.attributes.get("strides", (1, 1)))
        _window(reader, into, node.inputs[0], kernel, strides, tuple(begin), tuple(end), 1)
        into.done.add(reader.outputs[0])
        return
    rule = reader.attributes.get("auto_pad", "NOTSET")
    if rule.startswith("SAME"):
        raise into.model.refused(reader, f"its padding {rule} is added to that of the Pad before it")
    own = list(reader.attributes.get("pads", [0] * 4)) if rule == "NOTSET" else [0] * 4
    both = [a + b for a, b in zip(own, [*begin, *end], strict=True)]
    attributes = {**reader.attributes, "pads": both, "auto_pad": "NOTSET"}
    joined = Node(reader.kind, reader.name, (node.inputs[0], *reader.inputs[1:]), reader.outputs, attributes)
    into.model.nodes[into.model.nodes.index(reader)] = joined  # it reads what this node reads
    into.done.add(node.outputs[0])


def _pads(node: Node, into: Layers) -> list[int] | None:
    """The padding of all axes, begins first; None where it is no zeros, or not fixed."""
    given = into.constant(node.input(1)) if node.input(1) else node.attributes.get("pads")
    value = into.constant(node.input(2)) if node.input(2) else node.attributes.get("value", 0)
    if given is None or value is None or np.any(value) or node.attributes.get("mode", "constant") != "constant" or node.input(3):
        return None
    return [int(one) for one in given]
