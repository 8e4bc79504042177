"""Layers of convolutions, inner products, normalisations, and of sums and products with constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netdef.layers.window import convolved
from runtime.exchange.onnx_in.layers import Layers, reads
from runtime.exchange.onnx_in.model import Node
from runtime.exchange.onnx_out.normalization import AND, NORM

MIDDLE = ["Mul", "Add", "Pow"]  # of an LRN within channels, between the mean of squares and the product
WITHIN_CHANNEL = 1  # of LRNParameter's enum


def once(values: Sequence[int]) -> list[int]:
    """A setting of a window: one number where all axes have the same."""
    return [values[0]] if len(set(values)) == 1 else list(values)


def usual(values: Sequence[int], idle: int) -> list[int] | None:
    """A setting of a window; None where it is the default."""
    return None if set(values) == {idle} else once(values)


def pads_of(node: Node, into: Layers, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> tuple[list, list]:  # type: ignore[type-arg]
    """(begin, end) of the padding along each spatial axis, auto_pad worked out."""
    axes, mode = len(kernel), node.attributes.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = list(node.attributes.get("pads", [0] * 2 * axes))
        return pads[:axes], pads[axes:]
    if mode == "VALID":
        return [0] * axes, [0] * axes
    begin, end = [], []
    for size, k, stride, dilation in zip(into.shape_of(node.inputs[0])[2:], kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size, 0)
        half = total // 2 if mode == "SAME_UPPER" else total - total // 2
        begin.append(half)
        end.append(total - half)
    return begin, end


@reads("Conv")
def convolution(node: Node, into: Layers) -> None:
    weights = into.constant(node.inputs[1])
    held = held_of(node, into, weights)
    kernel = list(held[0].shape[2:])
    strides, dilations = (list(node.attributes.get(name, [1] * len(kernel))) for name in ("strides", "dilations"))
    begin, end = pads_of(node, into, kernel, strides, dilations)
    sizes = into.shape_of(node.inputs[0])[2:]
    wanted = into.shape_of(node.outputs[0])[2:]
    windows = zip(sizes, kernel, strides, begin, dilations, strict=True)
    if begin != end and tuple(convolved(*window) for window in windows) != wanted:
        raise into.model.refused(node, f"its padding differs at both ends, {begin} and {end}: a Convolution has one")
    _window_layer(node, into, "Convolution", held, held[0].shape[0], (kernel, strides, begin, dilations))


@reads("ConvTranspose")
def deconvolution(node: Node, into: Layers) -> None:
    held = held_of(node, into, into.constant(node.inputs[1]))
    kernel = list(held[0].shape[2:])
    strides, dilations = (list(node.attributes.get(name, [1] * len(kernel))) for name in ("strides", "dilations"))
    begin, end = pads_of(node, into, kernel, strides, dilations)
    fixed = any(node.attributes.get("output_padding", ())) or node.attributes.get("output_shape")
    if begin != end or fixed or node.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise into.model.refused(node, "a Deconvolution has one padding for both ends, and no other size of its output")
    outputs = held[0].shape[1] * node.attributes.get("group", 1)
    _window_layer(node, into, "Deconvolution", held, outputs, (kernel, strides, begin, dilations))


def held_of(node: Node, into: Layers, weights: np.ndarray | None) -> list[np.ndarray]:
    """The weights of a node, and its biases where it has some.

    Raises
    ------
    NetdefError: they are no constants.
    """
    biases = into.constant(node.input(2)) if node.input(2) else None
    if weights is None or (node.input(2) and biases is None):
        raise into.model.refused(node, "its weights are computed by the net")
    return [weights] if biases is None else [weights, biases.reshape(-1)]


def _window_layer(node: Node, into: Layers, kind: str, held: list[np.ndarray], outputs: int, window: tuple[list[int], ...]) -> None:
    kernel, strides, pads, dilations = window
    settings: dict[str, Any] = {"num_output": outputs, "bias_term": None if len(held) == 2 else False}
    two = len(kernel) == 2
    if two and kernel[0] != kernel[1]:
        settings |= {"kernel_h": kernel[0], "kernel_w": kernel[1]}
    else:
        settings["kernel_size"] = once(kernel)
    for field, values, idle in (("pad", pads, 0), ("stride", strides, 1)):
        if two and values[0] != values[1]:
            settings |= {f"{field}_h": values[0], f"{field}_w": values[1]}
        else:
            settings[field] = usual(values, idle)
    settings["dilation"] = usual(dilations, 1)
    group = node.attributes.get("group", 1)
    settings["group"] = group if group != 1 else None
    layer = into.add(node, kind, node.inputs[:1], node.outputs[:1], **settings)
    into.weights[layer.name] = held


@reads("Gemm")
def inner_product(node: Node, into: Layers) -> None:
    weights, biases = into.constant(node.inputs[1]), into.constant(node.input(2)) if node.input(2) else None
    if weights is None or (node.input(2) and biases is None) or node.attributes.get("transA", 0):
        raise into.model.refused(node, "an InnerProduct multiplies with weights, not with what the net computes")
    alpha, beta = (np.float32(node.attributes.get(name, 1)) for name in ("alpha", "beta"))
    turned = bool(node.attributes.get("transB", 0))
    outputs = weights.shape[0 if turned else 1]
    if biases is not None and biases.size not in (1, outputs):
        raise into.model.refused(node, "an InnerProduct has one bias for each output")
    held = [weights if alpha == 1 else weights * alpha]
    if biases is not None:
        held.append(np.broadcast_to((biases if beta == 1 else biases * beta).reshape(-1), (outputs,)))
    _inner_product(node, into, held, turned, node.outputs[0])


def _inner_product(node: Node, into: Layers, held: list[np.ndarray], turned: bool, output: str, axis: int = 1) -> None:
    """An InnerProduct of weights (outputs, inputs) if `turned`, else (inputs, outputs)."""
    if not turned and not into.model.by_netdef:
        held[0] = np.ascontiguousarray(held[0].T)
    transpose = True if not turned and into.model.by_netdef else None
    outputs = held[0].shape[1 if transpose else 0]
    settings = {"num_output": outputs, "bias_term": None if len(held) == 2 else False, "transpose": transpose}
    layer = into.add(node, "InnerProduct", node.inputs[:1], [output], axis=axis if axis != 1 else None, **settings)
    into.weights[layer.name] = held


@reads("MatMul")
def product(node: Node, into: Layers) -> None:
    """With a bias that is added to it alone."""
    weights = into.constant(node.inputs[1])
    if weights is None or weights.ndim != 2:
        raise into.model.refused(node, "an InnerProduct multiplies with a matrix of weights, on the right")
    held, output = [np.ascontiguousarray(weights.T)], node.outputs[0]
    addition = into.only_reader(output, "Add")
    if addition is not None:
        others = [into.constant(name) for name in addition.inputs if name != output]
        bias = others[0] if others else None
        if bias is not None and bias.ndim and bias.size == weights.shape[1] == bias.shape[-1]:
            held.append(bias.reshape(-1))
            into.done.add(addition.outputs[0])
            output = addition.outputs[0]
    _inner_product(node, into, held, True, output, len(into.shape_of(node.inputs[0])) - 1)


@reads("BatchNormalization")
def batch_norm(node: Node, into: Layers) -> None:
    """A BatchNorm and a Scale; netdef's own node for a BatchNorm alone says so."""
    held = [into.constant(name) for name in node.inputs[1:5]]
    if any(array is None for array in held) or node.attributes.get("training_mode", 0) or len(node.outputs) > 1:
        raise into.model.refused(node, "it takes statistics of the batch")
    scale, shift, mean, variance = (array for array in held if array is not None)
    eps = np.float32(node.attributes.get("epsilon", 1e-5))
    note = node.attributes.get("doc_string", "") if into.model.by_netdef else ""
    name, _, between = note.removeprefix(NORM).partition(AND)
    between = node.outputs[0] if note == NORM else between or f"{node.outputs[0]}/normalized"
    into.model.shapes[between] = into.shape_of(node.outputs[0])
    settings: dict[str, Any] = {"eps": eps if eps != np.float32(1e-5) else None}
    suffix = "" if note else "/norm"
    layer = into.add(node, "BatchNorm", node.inputs[:1], [between], suffix=suffix, named=name, **settings)
    into.weights[layer.name] = [mean, variance, np.ones(1, np.float32)]
    if between == node.outputs[0]:
        return
    layer = into.add(node, "Scale", [between], node.outputs[:1], bias_term=True)
    into.weights[layer.name] = [scale, shift]


@reads("LRN")
def lrn(node: Node, into: Layers) -> None:
    rule = _lrn_settings(node, into)
    into.add(node, "LRN", node.inputs[:1], node.outputs[:1], **rule)


def _lrn_settings(node: Node, into: Layers) -> dict[str, Any]:
    """The fields of an LRN; those that have their default are left out."""
    size = node.attributes["size"]
    if size % 2 == 0:
        raise into.model.refused(node, f"size {size} has no channel in its middle")
    given = {"alpha": (node.attributes.get("alpha", 1e-4), 1.0), "beta": (node.attributes.get("beta", 0.75), 0.75)}
    given["k"] = (node.attributes.get("bias", 1.0), 1.0)
    found = {name: None if np.float32(value) == np.float32(idle) else value for name, (value, idle) in given.items()}
    return {"local_size": size if size != 5 else None, **found}


def read_towers(node: Node, into: Layers) -> bool:
    """Whether a Reshape begins an LRN over groups of channels, folded into the batch; then its layer is added."""
    norm = into.only_reader(node.outputs[0], "LRN")
    back = into.only_reader(norm.outputs[0], "Reshape") if norm is not None else None
    if norm is None or back is None:
        return False
    whole, folded = into.shape_of(node.inputs[0]), into.shape_of(node.outputs[0])
    if (
        len(whole) != 4
        or len(folded) != 4
        or into.shape_of(back.outputs[0]) != whole
        or folded[2:] != whole[2:]
        or whole[1] % folded[1]
    ):
        return False
    named = Node(norm.kind, back.name if into.model.by_netdef else norm.name, node.inputs[:1], back.outputs, norm.attributes)
    into.add(named, "LRN", node.inputs[:1], back.outputs[:1], **_lrn_settings(norm, into), group=whole[1] // folded[1])
    into.done |= {norm.outputs[0], back.outputs[0]}
    return True


def read_within_channel(node: Node, into: Layers) -> bool:
    """Whether x * x begins an LRN within channels, x * (1 + alpha * mean of squares) ** -beta; then its layer is added."""
    mean = into.only_reader(node.outputs[0], "AveragePool")
    last, chain, numbers = mean, [mean], {"Mul": 1.0, "Add": 0.0, "Pow": 1.0}
    while last is not None and (behind := into.only_reader(last.outputs[0], "Mul", "Add", "Pow")) is not None:
        last = behind
        chain.append(last)
        number = next((into.constant(name) for name in last.inputs if into.constant(name) is not None), None)
        if number is None or number.size != 1:
            break
        numbers[last.kind] = float(number.reshape(()))
    kinds = [one.kind for one in chain if one is not None]
    if mean is None or last is None or kinds not in (["AveragePool", *MIDDLE, "Mul"], ["AveragePool", *MIDDLE[1:], "Mul"]):
        return False
    size, x = mean.attributes["kernel_shape"][0], node.inputs[0]
    square = {"kernel_shape": [size, size], "pads": [size // 2] * 4}
    same = all(list(mean.attributes.get(name, ())) == value for name, value in square.items())
    if (
        not same
        or not mean.attributes.get("count_include_pad", 0)
        or size % 2 == 0
        or set(mean.attributes.get("strides", [1])) != {1}
        or numbers["Add"] != 1
        or x not in last.inputs
    ):
        return False
    rule = {"alpha": (numbers["Mul"], 1.0), "beta": (-numbers["Pow"], 0.75)}
    settings: dict[str, Any] = {
        name: None if np.float32(value) == np.float32(idle) else value for name, (value, idle) in rule.items()
    }
    into.add(last, "LRN", [x], last.outputs[:1], local_size=size if size != 5 else None, **settings, norm_region=WITHIN_CHANNEL)
    into.done |= {one.outputs[0] for one in chain if one is not None}
    return True
