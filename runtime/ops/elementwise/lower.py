"""How functions of one element lower."""

from __future__ import annotations

from netdef.graph.layer import Layer
from netdef.layers.elementwise import Sigmoid, TanH
from netdef.layers.relu import ReLU
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(Sigmoid)
def lower_sigmoid(layer: Sigmoid, build: Builder) -> None:
    _lower_function(layer, build, "sigmoid")


@lowers(TanH)
def lower_tanh(layer: TanH, build: Builder) -> None:
    _lower_function(layer, build, "tanh")


def _lower_function(layer: Layer, build: Builder, name: str) -> None:
    """A function whose derivative follows from its value."""
    x, y = build.bottom(layer, 0).flat(), build.top(layer, 0).flat()
    build.forward(f"{name}_forward", x, out=y)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0).flat(), build.bottom_gradient(layer, 0).flat()
        build.backward(f"{name}_backward", dy, y, out=dx)


@lowers(ReLU)
def lower_relu(layer: ReLU, build: Builder) -> None:
    x, y = build.bottom(layer, 0).flat(), build.top(layer, 0).flat()
    slope = layer.negative_slope
    build.forward("relu_forward", x, out=y, slope=slope, inplace=True)
    if build.needs_gradient(layer, 0):
        sign = y if slope >= 0 else x  # below a negative slope the output's sign says nothing
        dy, dx = build.top_gradient(layer, 0).flat(), build.bottom_gradient(layer, 0).flat()
        build.backward("relu_backward", dy, sign, out=dx, slope=slope, inplace=True)
