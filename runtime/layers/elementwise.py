"""How functions of one element lower."""

from __future__ import annotations

from netdef.layers.base import Layer
from netdef.layers.elementwise import Sigmoid, TanH
from runtime.lowering import Builder, lowers


@lowers(Sigmoid)
def lower_sigmoid(layer: Sigmoid, build: Builder) -> None:
    _lower(layer, build, "sigmoid")


@lowers(TanH)
def lower_tanh(layer: TanH, build: Builder) -> None:
    _lower(layer, build, "tanh")


def _lower(layer: Layer, build: Builder, name: str) -> None:
    """A function whose derivative follows from its value."""
    x, y = build.bottom(layer, 0).flat(), build.top(layer, 0).flat()
    build.forward(f"{name}_forward", x, out=y)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0).flat(), build.bottom_gradient(layer, 0).flat()
        build.backward(f"{name}_backward", dy, y, out=dx)
