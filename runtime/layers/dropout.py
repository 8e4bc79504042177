"""How dropout lowers: to nothing in testing, to one kernel each way in training."""

from __future__ import annotations

from math import ceil

from netdef.layers.dropout import Dropout
from runtime.lowering import Builder, lowers


@lowers(Dropout)
def lower(layer: Dropout, build: Builder) -> None:
    if layer.phase == "test" or layer.ratio == 0:
        build.alias(layer, 0, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, 0, 0)
        return
    x, y, iteration = build.flat(build.bottom(layer, 0)), build.flat(build.top(layer, 0)), build.scalar("iteration")
    constants = {"key": build.seed(layer), "threshold": ceil(layer.ratio * 2**24), "factor": 1 / (1 - layer.ratio)}
    build.forward("dropout", x, iteration, out=y, **constants, inplace=True)
    if build.needs_gradient(layer, 0):
        dy, dx = build.flat(build.top_gradient(layer, 0)), build.flat(build.bottom_gradient(layer, 0))
        build.backward("dropout", dy, iteration, out=dx, **constants, inplace=True)
