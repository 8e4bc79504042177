"""How layers lower that only change a shape: to nothing, unless the batch is cut anew."""

from __future__ import annotations

from netdef.layers.base import Layer, images
from netdef.layers.reshape import Flatten, Reshape
from runtime.lowering import Builder, lowers
from runtime.program import Buffer


@lowers(Flatten)
def lower_flatten(layer: Flatten, build: Builder) -> None:
    _lower(layer, build)


@lowers(Reshape)
def lower_reshape(layer: Reshape, build: Builder) -> None:
    _lower(layer, build)


def _lower(layer: Layer, build: Builder) -> None:
    old, new = images(layer.bottoms[0].shape), images(layer.tops[0].shape)
    if old == new:  # the rest keeps its order, batch innermost or not
        build.alias(layer, 0, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, 0, 0)
        return

    def cut(buffer: Buffer, batch: int) -> Buffer:
        return buffer.view((buffer.size // batch, batch))

    build.forward("rebatch", cut(build.bottom(layer, 0), old), out=cut(build.top(layer, 0), new))
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("rebatch", cut(dy, new), out=cut(dx, old))
