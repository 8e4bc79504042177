"""How Interp lowers."""

from __future__ import annotations

from netdef.layers.resize import Interp
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(Interp)
def lower(layer: Interp, build: Builder) -> None:
    window = {"first": -layer.p.pad_beg, "size": layer.inside}
    build.forward("interp_forward", build.bottom(layer, 0), out=build.top(layer, 0), **window)
    if build.needs_gradient(layer, 0):
        build.backward("interp_backward", build.top_gradient(layer, 0), out=build.bottom_gradient(layer, 0), **window)
