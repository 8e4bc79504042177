"""How convolutions lower: forward with a bias, then the gradients of bias, weights and input; transposed, and as columns."""

from __future__ import annotations

from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.layers.convolution import Convolution, Deconvolution, DepthwiseConvolution, Filters, Im2col, Window
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


@lowers(DepthwiseConvolution)
@lowers(Convolution)
def lower(layer: Convolution, build: Builder) -> None:
    _check_images(layer, "convolution")
    for index in range(len(layer.bottoms)):
        _lower_pair(layer, build, index)


@lowers(Deconvolution)
def lower_deconvolution(layer: Deconvolution, build: Builder) -> None:
    _check_images(layer, "deconvolution")
    for index in range(len(layer.bottoms)):
        _lower_transposed_pair(layer, build, index)


@lowers(Im2col)
def lower_im2col(layer: Im2col, build: Builder) -> None:
    _check_images(layer, "Im2col")
    geometry = _geometry(layer)
    if (layer.kernel, layer.stride, layer.pad) == ((1, 1), (1, 1), (0, 0)):
        build.alias(layer, 0, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, 0, 0)
        return
    build.forward("im2col", build.bottom(layer, 0), out=build.top(layer, 0), **geometry)
    if build.needs_gradient(layer, 0):
        build.backward("col2im", build.top_gradient(layer, 0), out=build.bottom_gradient(layer, 0), **geometry)


def _check_images(layer: Window, noun: str) -> None:
    axes = len(layer.bottoms[0].shape)
    if axes != 4 or layer.axis != 1:
        along = "" if layer.axis == 1 else f" with its channels along axis {layer.axis}"
        raise NetdefError(
            f"{noun} '{layer.name}' cannot run on a blob of {axes} axes{along}: kernels exist for images (N, C, H, W)",
            position=layer.position,
        )


def _geometry(layer: Window) -> dict[str, Any]:
    return {"kernel": layer.kernel, "stride": layer.stride, "pad": layer.pad, "dilation": layer.dilation}


def _filters(layer: Filters, build: Builder) -> tuple[dict[str, Any], Buffer, Buffer, int]:
    """The window with its groups, the weights, the biases (the weights in their place if there are none), and a top's cost."""
    w = build.parameter(layer, 0)
    b = build.parameter(layer, 1) if layer.bias_term else w
    return {**_geometry(layer), "group": layer.group}, w, b, layer.macs // len(layer.tops)  # tops are all alike


def _bias_gradient(layer: Filters, build: Builder, index: int) -> None:
    if layer.bias_term and build.needs_parameter_gradient(layer, 1):
        O, height, width, N = (dy := build.top_gradient(layer, index)).shape
        build.backward("bias_gradient", dy.view((1, O, height, width * N)), out=build.parameter_gradient(layer, 1))


def _lower_pair(layer: Convolution, build: Builder, index: int) -> None:
    """One bottom and its top; Caffe lets several pairs share the weights."""
    x, y, (geometry, w, b, macs) = build.bottom(layer, index), build.top(layer, index), _filters(layer, build)
    build.forward("conv2d", x, w, b, out=y, **geometry, has_bias=layer.bias_term, relu=False, slope=0.0, macs=macs)
    _bias_gradient(layer, build, index)
    if build.needs_parameter_gradient(layer, 0):
        dy, dw = build.top_gradient(layer, index), build.parameter_gradient(layer, 0)
        build.backward("conv2d_weight_gradient", x, dy, out=dw, **geometry, macs=macs)
    if build.needs_gradient(layer, index):
        dy, dx = build.top_gradient(layer, index), build.bottom_gradient(layer, index)
        build.backward("conv2d_input_gradient", dy, w, out=dx, **geometry, macs=macs)


def _lower_transposed_pair(layer: Deconvolution, build: Builder, index: int) -> None:
    """What a convolution does backward, forward; and what it does forward, backward."""
    x, y, (geometry, w, b, macs) = build.bottom(layer, index), build.top(layer, index), _filters(layer, build)
    build.forward("conv2d_input_gradient", x, w, out=y, **geometry, macs=macs)
    if layer.bias_term:
        rows = y.view((1, y.shape[0], y.size // y.shape[0]))
        build.forward("add_rows", rows, b, out=rows)
    _bias_gradient(layer, build, index)
    if build.needs_parameter_gradient(layer, 0):
        dy, dw = build.top_gradient(layer, index), build.parameter_gradient(layer, 0)
        build.backward("conv2d_weight_gradient", dy, x, out=dw, **geometry, macs=macs)
    if build.needs_gradient(layer, index):
        dy, dx = build.top_gradient(layer, index), build.bottom_gradient(layer, index)
        build.backward("conv2d", dy, w, w, out=dx, **geometry, has_bias=False, relu=False, slope=0.0, macs=macs)
