"""How ReLU lowers."""

from __future__ import annotations

from netdef.layers.relu import ReLU
from runtime.lowering import Builder, lowers


@lowers(ReLU)
def lower(layer: ReLU, build: Builder) -> None:
    x, y = build.bottom(layer, 0).flat(), build.top(layer, 0).flat()
    slope = layer.negative_slope
    build.forward("relu_forward", x, out=y, slope=slope, inplace=True)
    if build.needs_gradient(layer, 0):
        sign = y if slope >= 0 else x  # below a negative slope the output's sign says nothing
        dy, dx = build.top_gradient(layer, 0).flat(), build.bottom_gradient(layer, 0).flat()
        build.backward("relu_backward", dy, sign, out=dx, slope=slope, inplace=True)
