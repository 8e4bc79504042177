"""Layers of functions of one element, and of sums and products of several values or with constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.exchange.onnx_in.layers import Layers, reads
from runtime.exchange.onnx_in.model import Node
from runtime.exchange.onnx_in.products import read_within_channel

PLAIN = {"Abs": "AbsVal", "Exp": "Exp", "Log": "Log", "Relu": "ReLU", "Sigmoid": "Sigmoid", "Softplus": "BNLL", "Tanh": "TanH"}
POWERS: dict[str, dict[str, Any]] = {"Neg": {"scale": -1.0}, "Reciprocal": {"power": -1.0}, "Sqrt": {"power": 0.5}}
OF_TWO: dict[str, dict[str, Any]] = {"Add": {}, "Sub": {"coeff": [1.0, -1.0]}, "Mul": {"operation": 0}}  # 0: PROD
LOWEST = float(np.finfo(np.float32).min)


@reads(*PLAIN)
def plain(node: Node, into: Layers) -> None:
    if node.kind == "Sigmoid" and _read_swish(node, into):
        return
    into.add(node, PLAIN[node.kind], node.inputs[:1], node.outputs[:1])


def _read_swish(node: Node, into: Layers) -> bool:
    """Whether x * sigmoid(x) begins here; then its layer is added."""
    product = into.only_reader(node.outputs[0], "Mul")
    if product is None or set(product.inputs) != {node.inputs[0], node.outputs[0]}:
        return False
    if into.model.by_netdef and node.name != f"{product.name}/Sigmoid":  # of two layers
        return False
    into.add(product, "Swish", node.inputs[:1], product.outputs[:1])
    into.done.add(product.outputs[0])
    return True


@reads(*POWERS)
def power_of(node: Node, into: Layers) -> None:
    into.add(node, "Power", node.inputs[:1], node.outputs[:1], **POWERS[node.kind])


@reads("LeakyRelu")
def leaky(node: Node, into: Layers) -> None:
    into.add(node, "ReLU", node.inputs[:1], node.outputs[:1], negative_slope=node.attributes.get("alpha", 0.01))


@reads("Elu")
def elu(node: Node, into: Layers) -> None:
    alpha = node.attributes.get("alpha", 1.0)
    into.add(node, "ELU", node.inputs[:1], node.outputs[:1], alpha=alpha if alpha != 1 else None)


@reads("PRelu")
def prelu(node: Node, into: Layers) -> None:
    slopes, axes = into.constant(node.inputs[1]), len(into.shape_of(node.inputs[0]))
    channels = into.shape_of(node.inputs[0])[1] if axes > 1 else 0
    if (
        slopes is None
        or slopes.size not in (1, channels)
        or (slopes.size > 1 and slopes.shape[max(slopes.ndim - axes + 1, 0)] != channels)
    ):
        raise into.model.refused(node, "a PReLU has one slope for each channel, or one for all")
    shared = slopes.size == 1 != channels
    layer = into.add(node, "PReLU", node.inputs[:1], node.outputs[:1], channel_shared=shared or None)
    into.weights[layer.name] = [slopes.reshape(() if shared else (channels,))]


@reads("Clip")
def clip(node: Node, into: Layers) -> None:
    bounds = []
    for index, (field, idle) in enumerate((("min", LOWEST), ("max", -LOWEST)), 1):
        given = into.constant(node.input(index)) if node.input(index) else node.attributes.get(field, idle)
        if given is None:
            raise into.model.refused(node, "a Clip has fixed bounds")
        bounds.append(float(np.reshape(given, ())))
    if bounds == [0.0, 6.0]:
        into.add(node, "ReLU6", node.inputs[:1], node.outputs[:1])
    elif bounds[0] == 0 and bounds[1] >= -LOWEST:
        into.add(node, "ReLU", node.inputs[:1], node.outputs[:1])
    else:
        into.add(node, "Clip", node.inputs[:1], node.outputs[:1], min=bounds[0], max=bounds[1])


@reads("Dropout")
def dropout(node: Node, into: Layers) -> None:
    if len(node.outputs) > 1 and into.model.readers(node.outputs[1]):
        raise into.model.refused(node, "its mask is read")
    given = into.constant(node.input(1)) if node.input(1) else None
    ratio = float(np.reshape(given, -1)[0]) if given is not None else node.attributes.get("ratio", 0.5)
    into.add(node, "Dropout", node.inputs[:1], node.outputs[:1], dropout_ratio=ratio if ratio != 0.5 else None)


@reads("Softmax", "LogSoftmax")
def softmax(node: Node, into: Layers) -> None:
    shape, late = into.shape_of(node.inputs[0]), into.model.opset >= 13
    axis = node.attributes.get("axis", -1 if late else 1) % len(shape)
    if not late and any(size != 1 for size in shape[axis + 1 :]):
        raise into.model.refused(node, "before opset 13 it goes over several axes, where a Softmax has one")
    settings: dict[str, Any] = {"axis": axis if axis != 1 else None}
    if node.kind == "Softmax":
        into.add(node, "Softmax", node.inputs[:1], node.outputs[:1], **settings)
        return
    between = f"{node.outputs[0]}/probabilities"
    into.model.shapes[between] = shape
    into.add(node, "Softmax", node.inputs[:1], [between], suffix="/softmax", **settings)
    into.add(node, "Log", [between], node.outputs[:1])


@reads("Pow")
def power(node: Node, into: Layers) -> None:
    exponent = into.constant(node.inputs[1])
    if exponent is None or exponent.size != 1:
        raise into.model.refused(node, "a Power has one fixed exponent")
    into.add(node, "Power", node.inputs[:1], node.outputs[:1], power=float(exponent.reshape(())))


@reads("Sum", "Max")
def several(node: Node, into: Layers) -> None:
    if any(name in into.model.constants for name in node.inputs) or len({into.shape_of(name) for name in node.inputs}) > 1:
        raise into.model.refused(node, "an Eltwise takes blobs of one shape")
    if len(node.inputs) == 1:
        into.add(node, "Split", node.inputs, node.outputs[:1])
        return
    from netdef.schema import message_class

    kinds = message_class("EltwiseParameter").EltwiseOp  # type: ignore[attr-defined]
    operation = None if node.kind == "Sum" else kinds.Value("MAX")
    into.add(node, "Eltwise", node.inputs, node.outputs[:1], operation=operation)


@reads("Add", "Sub", "Mul", "Div")
def arithmetic(node: Node, into: Layers) -> None:
    constants = [into.constant(name) for name in node.inputs]
    if node.kind == "Mul" and node.inputs[0] == node.inputs[1] and read_within_channel(node, into):
        return
    if all(one is None for one in constants):
        _of_blobs(node, into)
        return
    index = 0 if constants[0] is not None else 1
    number, blob = constants[index], node.inputs[1 - index]
    assert number is not None
    if number.size == 1 and number.ndim <= len(into.shape_of(blob)):
        _with_number(node, into, blob, float(number.reshape(())), index == 0)
    elif index == 0 and node.kind in ("Sub", "Div"):
        raise into.model.refused(node, "a constant array on the left of it has no layer")
    else:
        _with_array(node, into, blob, number.astype(np.float32))


def _with_number(node: Node, into: Layers, blob: str, number: float, on_left: bool) -> None:
    """A Power."""
    settings: dict[str, Any] = {
        "Add": {"shift": number},
        "Sub": {"scale": -1.0, "shift": number} if on_left else {"shift": -number},
        "Mul": {"scale": number},
        "Div": {"scale": 1 / number if number else float("inf")},
    }[node.kind]
    if node.kind == "Div" and on_left:
        raise into.model.refused(node, "a number divided by a blob has no layer")
    into.add(node, "Power", [blob], node.outputs[:1], **settings)


def _with_array(node: Node, into: Layers, blob: str, array: np.ndarray) -> None:
    """A Scale or a Bias along the axes that the array has."""
    shape = into.shape_of(blob)
    first, count, operand = aligned(array, shape)
    if count == 0:
        raise into.model.refused(
            node, f"a constant of shape {array.shape} does not lie along axes of {shape} that follow one another"
        )
    values = {"Sub": -operand, "Div": 1 / operand}.get(node.kind, operand)
    kind = "Bias" if node.kind in ("Add", "Sub") else "Scale"
    settings: dict[str, Any] = {"axis": first if first != 1 else None, "num_axes": count if count != 1 else None}
    held, output = [values], node.outputs[0]
    if kind == "Scale":
        addition = into.only_reader(output, "Add")
        others = [into.constant(name) for name in addition.inputs if name != output] if addition is not None else []
        if addition is not None and others and others[0] is not None and aligned(others[0], shape)[:2] == (first, count):
            held.append(aligned(others[0], shape)[2])
            into.done.add(addition.outputs[0])
            node, output = Node(node.kind, addition.name, node.inputs, addition.outputs, {}), addition.outputs[0]
            settings["bias_term"] = True
    layer = into.add(node, kind, [blob], [output], **settings)
    into.weights[layer.name] = held


def aligned(array: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, np.ndarray]:
    """(first axis, number of axes, array of them) of a constant that is broadcast; 0 axes if they do not follow one another."""
    sizes = (1,) * (len(shape) - array.ndim) + array.shape
    used = [axis for axis, size in enumerate(sizes) if size != 1]
    if len(sizes) != len(shape) or not used or any(sizes[axis] != shape[axis] for axis in used):
        return 0, 0, array
    first, last = used[0], used[-1]
    within = sizes[first : last + 1]
    if within != shape[first : last + 1]:
        return 0, 0, array
    return first, last + 1 - first, array.reshape(within)


def _of_blobs(node: Node, into: Layers) -> None:
    """An Eltwise; of a blob and a number for each of its channels a Scale or a Bias."""
    a, b = (into.shape_of(name) for name in node.inputs)
    if a == b:
        if node.kind == "Div":
            raise into.model.refused(node, "one blob divided by another has no layer")
        into.add(node, "Eltwise", node.inputs, node.outputs[:1], **OF_TWO[node.kind])
        return
    wide, narrow = node.inputs if len(a) == len(b) and np.prod(a) > np.prod(b) else node.inputs[::-1]
    kept = into.shape_of(narrow)
    axes = next((axis for axis, size in enumerate(kept) if size == 1 and all(one == 1 for one in kept[axis:])), len(kept))
    fits = len(kept) == len(into.shape_of(wide)) and kept[:axes] == into.shape_of(wide)[:axes] and axes > 0
    if node.kind in ("Sub", "Div") or not fits:
        raise into.model.refused(node, f"blobs of shapes {a} and {b} have no layer that joins them")
    flat = f"{node.outputs[0]}/operand"
    into.model.shapes[flat] = kept[:axes]
    dims = into.add(node, "Reshape", [narrow], [flat], suffix="/operand").reshape_param.shape
    dims.dim.extend([0, *kept[1:axes]])
    into.add(node, "Scale" if node.kind == "Mul" else "Bias", [wide, flat], node.outputs[:1], axis=0)
