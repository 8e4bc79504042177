"""A net of netdef as an ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from peer_steps import Step, Weights, overhang, scores, steps, unknown

from netdef.graph.net import Net

OPSET, IR_VERSION = 17, 9


def onnx_model(net: Net, weights: Weights) -> bytes:
    """The net up to its scores, in testing.

    Raises
    ------
    SystemExit: a layer has no translation.
    """
    writer = Writer(weights)
    for step in steps(net):
        write = WRITERS.get(step.layer.type)
        if write is None:
            raise unknown(step, "ONNX")
        write(writer, step, [str(blob) for blob in step.inputs], str(step.output))
    end = scores(net)[-1]
    source = next(top for layer in net.layers if layer.is_source for top in layer.tops if top.name == "data")
    values = [helper.make_tensor_value_info(str(blob), TensorProto.FLOAT, blob.shape) for blob in (source, end)]
    graph = helper.make_graph(writer.nodes, "net", values[:1], values[1:], writer.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return model.SerializeToString()


class Writer:
    """The nodes and constants of a graph while it is written."""

    def __init__(self, weights: Weights):
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def held(self, layer: str) -> list[str]:
        """The layer's weights as constants."""
        return [self.constant(f"{layer}.{index}", array) for index, array in enumerate(self.weights.get(layer, []))]


def _convolution(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    layer: Any = step.layer
    if len(layer.kernel) != 2 or len(layer.bottoms) != 1:
        raise unknown(step, "ONNX")
    geometry = {"strides": layer.stride, "pads": (*layer.pad, *layer.pad), "dilations": layer.dilation, "group": layer.group}
    write.node("Conv", [*inputs, *write.held(layer.name)], output, **geometry)


def _inner_product(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    layer: Any = step.layer
    if layer.axis != 1 or layer.transpose:
        raise unknown(step, "ONNX")
    flat = write.node("Flatten", inputs, f"{output}.flat") if len(step.inputs[0].shape) > 2 else inputs[0]
    write.node("Gemm", [flat, *write.held(layer.name)], output, transB=1)


def _pooling(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    """With the padding that rounds up written out: programs do not agree on what ceil_mode divides by."""
    layer: Any = step.layer
    beyond = [max(0, count) for count in overhang(layer)]
    window = {"kernel_shape": layer.kernel, "strides": layer.stride}
    window["pads"] = (*layer.pad, *(pad + more for pad, more in zip(layer.pad, beyond, strict=True)))
    if layer.method == "MAX":
        write.node("MaxPool", inputs, output, **window)
    elif layer.method == "AVE" and not (any(layer.pad) and any(beyond)):
        write.node("AveragePool", inputs, output, count_include_pad=int(any(layer.pad)), **window)
    else:
        raise unknown(step, "ONNX")


def _lrn(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    layer: Any = step.layer
    if layer.within_channel:
        raise unknown(step, "ONNX")
    shape, rule = step.output.shape, {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
    if layer.group == 1:
        write.node("LRN", inputs, output, **rule)
        return
    folded = write.constant(f"{output}.folded", np.array([layer.group * shape[0], shape[1] // layer.group, *shape[2:]]))
    towers = write.node("Reshape", [inputs[0], folded], f"{output}.in")
    towers = write.node("LRN", [towers], f"{output}.towers", **rule)
    write.node("Reshape", [towers, write.constant(f"{output}.whole", np.array(shape))], output)


def _scale(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    layer, norm = step.layer, step.norm
    if norm is None or len(layer.parameters) != 2 or layer.axis != 1:  # type: ignore[attr-defined]
        raise unknown(step, "ONNX")
    mean, variance, divisor = write.weights[norm.name]
    statistics = [write.constant(f"{norm.name}.{name}", array / divisor) for name, array in (("mean", mean), ("var", variance))]
    write.node("BatchNormalization", [*inputs, *write.held(layer.name), *statistics], output, epsilon=norm.eps)  # type: ignore[attr-defined]


def _eltwise(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    layer: Any = step.layer
    if layer.operation != "SUM" or len(inputs) != 2 or layer.coefficients != (1.0, 1.0):
        raise unknown(step, "ONNX")
    write.node("Add", inputs, output)


def _concat(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    write.node("Concat", inputs, output, axis=step.layer.axis)  # type: ignore[attr-defined]


def _prelu(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    slopes = write.weights[step.layer.name][0]
    spread = slopes.reshape(-1, *[1] * (len(step.output.shape) - 2))
    write.node("PRelu", [*inputs, write.constant(f"{output}.slopes", spread)], output)


def _relu(write: Writer, step: Step, inputs: list[str], output: str) -> None:
    if step.layer.p.negative_slope:
        raise unknown(step, "ONNX")
    write.node("Relu", inputs, output)


def _plain(kind: str) -> Callable[[Writer, Step, list[str], str], None]:
    """A node without settings."""

    def write_node(write: Writer, step: Step, inputs: list[str], output: str) -> None:
        write.node(kind, inputs, output)

    return write_node


WRITERS: dict[str, Callable[[Writer, Step, list[str], str], None]] = {
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": _plain("Identity"),
    "Eltwise": _eltwise,
    "Flatten": _plain("Flatten"),
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "Pooling": _pooling,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Scale": _scale,
    "Sigmoid": _plain("Sigmoid"),
    "TanH": _plain("Tanh"),
}
