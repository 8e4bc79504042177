"""ONNX of convolutions, inner products and what equals them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import refused, writes
from runtime.exchange.onnx_out.sources import INT64


def window(layer: Any) -> dict[str, Any]:
    """Kernel, stride, padding and dilation as attributes."""
    if layer.axis != 1:
        raise refused(layer, f"axis {layer.axis} is not that of the channels, 1", "axis")
    return {
        "kernel_shape": layer.kernel,
        "strides": layer.stride,
        "pads": (*layer.pad, *layer.pad),
        "dilations": layer.dilation,
    }


@writes("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Deconvolution")
def convolution(layer: Any, on: Scope) -> None:
    kind = "ConvTranspose" if layer.type == "Deconvolution" else "Conv"
    held = [on.weight(index) for index in range(1 + layer.bias_term)]
    for index, x in enumerate(on.inputs):
        on.out(kind, x, *held, top=index, **window(layer), group=layer.group)


@writes("Im2col")
def im2col(layer: Any, on: Scope) -> None:
    """A convolution whose filters have a single one each."""
    channels, places = layer.bottoms[0].shape[1], prod(layer.kernel)
    picks = np.eye(places, dtype=np.float32).reshape(places, 1, *layer.kernel)
    on.out(
        "Conv", on.x, on.constant(np.tile(picks, (channels, 1, *[1] * len(layer.kernel))), "picks"), **window(layer), group=channels
    )


@writes("InnerProduct")
def inner_product(layer: Any, on: Scope) -> None:
    held = [on.weight(index) for index in range(1 + layer.bias_term)]
    axes, kind = len(layer.bottoms[0].shape), {"transB": 0 if layer.transpose else 1}
    x = on.x if axes == 2 and layer.axis == 1 else on.op("Flatten", on.x, axis=layer.axis)
    if layer.axis == 1:
        on.out("Gemm", x, *held, **kind)
        return
    rows = on.op("Gemm", x, *held, **kind)
    if layer.axis == 0:
        on.out("Reshape", rows, on.whole(layer.num_output, form="shape"))
    else:
        on.out("Reshape", rows, on.whole(-1, *layer.tops[0].shape[1:], form="shape"))


@writes("Embed")
def embed(layer: Any, on: Scope) -> None:
    rows = on.op("Cast", on.x, to=INT64)
    if layer.bias_term:
        on.out("Add", on.op("Gather", on.weight(0), rows, axis=0), on.weight(1))
    else:
        on.out("Gather", on.weight(0), rows, axis=0)
