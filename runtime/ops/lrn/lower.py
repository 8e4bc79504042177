"""How LRN lowers."""

from __future__ import annotations

from netdef.layers.lrn import LRN
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


@lowers(LRN)
def lower(layer: LRN, build: Builder) -> None:
    if layer.within_channel:
        _within_channel(layer, build)
    else:
        _across_channels(layer, build)


def _across_channels(layer: LRN, build: Builder) -> None:
    channels, positions = layer.bottoms[0].shape[1], layer.bottoms[0].count // layer.bottoms[0].shape[1]

    def rows(buffer: Buffer) -> Buffer:
        return buffer.view((channels, positions))

    x, y = rows(build.bottom(layer, 0)), rows(build.top(layer, 0))
    constants = {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "k": layer.k, "group": layer.group}
    build.forward("lrn_forward", x, out=y, **constants)
    if build.needs_gradient(layer, 0):
        dy, dx = rows(build.top_gradient(layer, 0)), rows(build.bottom_gradient(layer, 0))
        build.backward("lrn_backward", x, dy, out=dx, **constants)


def _within_channel(layer: LRN, build: Builder) -> None:
    x, y = build.bottom(layer, 0), build.top(layer, 0)
    scale = build.saved(layer, "scale", x.shape)
    constants = {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta}
    build.forward("lrn_within_forward", x, out=(y, scale), **constants)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("lrn_within_backward", x, y, scale, dy, out=dx, **constants)
