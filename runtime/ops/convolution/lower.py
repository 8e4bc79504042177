"""How a convolution lowers: forward with its bias, then the gradients of bias, weights and input."""

from __future__ import annotations

from netdef.language.diagnostics import NetdefError
from netdef.layers.convolution import Convolution
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(Convolution)
def lower(layer: Convolution, build: Builder) -> None:
    axes = len(layer.bottoms[0].shape)
    if axes != 4 or layer.axis != 1:
        along = "" if layer.axis == 1 else f" with its channels along axis {layer.axis}"
        raise NetdefError(
            f"convolution '{layer.name}' cannot run on a blob of {axes} axes{along}: kernels exist for images (N, C, H, W)",
            position=layer.position,
        )
    for index in range(len(layer.bottoms)):
        _lower_pair(layer, build, index)


def _lower_pair(layer: Convolution, build: Builder, index: int) -> None:
    """One bottom and its top; Caffe lets several pairs share the weights."""
    x, y, w = build.bottom(layer, index), build.top(layer, index), build.parameter(layer, 0)
    b = build.parameter(layer, 1) if layer.bias_term else w
    geometry = {
        "kernel": layer.kernel,
        "stride": layer.stride,
        "pad": layer.pad,
        "dilation": layer.dilation,
        "group": layer.group,
    }
    macs = layer.macs // len(layer.tops)  # tops are all alike
    build.forward("conv2d", x, w, b, out=y, **geometry, has_bias=layer.bias_term, relu=False, slope=0.0, macs=macs)
    if layer.bias_term and build.needs_parameter_gradient(layer, 1):
        dy = build.top_gradient(layer, index)
        rows = dy.view((1, y.shape[0], y.shape[1], y.shape[2] * y.shape[3]))
        build.backward("bias_gradient", rows, out=build.parameter_gradient(layer, 1))
    if build.needs_parameter_gradient(layer, 0):
        dy, dw = build.top_gradient(layer, index), build.parameter_gradient(layer, 0)
        build.backward("conv2d_weight_gradient", x, dy, out=dw, **geometry, macs=macs)
    if build.needs_gradient(layer, index):
        dy, dx = build.top_gradient(layer, index), build.bottom_gradient(layer, index)
        build.backward("conv2d_input_gradient", dy, w, out=dx, **geometry, macs=macs)
