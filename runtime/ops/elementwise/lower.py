"""How functions of one element lower: a kernel each way, which may write its result in place of what it reads."""

from __future__ import annotations

from netdef.layers.function import FUNCTIONS, Elementwise
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


def lower_function(layer: Elementwise, build: Builder) -> None:
    """The formula of the value, and that of the layer's derivative."""
    x, y = build.bottom(layer, 0).flat(), build.top(layer, 0).flat()
    value = layer.function.value
    build.forward(value.name, x, out=y, inplace=True, **layer.constants_of(value))
    if layer.gradient and build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0).flat(), build.bottom_gradient(layer, 0).flat()
        numbers = {"dy": dy, "x": x, "y": y, "sign": y}
        inputs = [numbers[name] for name in layer.gradient.arrays]
        build.backward(layer.gradient.name, *inputs, out=dx, inplace=True, **layer.constants_of(layer.gradient))


for _function in FUNCTIONS.values():
    lowers(_function.layer)(lower_function)
