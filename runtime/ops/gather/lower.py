"""How layers lower that put the same elements elsewhere: Concat, Flatten and Reshape."""

from __future__ import annotations

from math import prod

from netdef.graph.layer import Layer
from netdef.graph.shape import images
from netdef.layers.concat import Concat
from netdef.layers.reshape import Flatten, Reshape
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


@lowers(Concat)
def lower_concat(layer: Concat, build: Builder) -> None:
    if len(layer.bottoms) == 1:
        build.alias(layer, 0, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, 0, 0)
        return
    y = build.top(layer, 0)
    offset = 0
    for index in range(len(layer.bottoms)):
        x = _rows(layer, build.bottom(layer, index))
        columns = x.shape[1]
        if x.shape[0] == 1:
            build.forward("copy", x.flat(), out=y.view((columns,), offset))
        else:
            build.forward("join_columns", x, out=_rows(layer, y), offset=offset)
        if build.needs_gradient(layer, index):
            dy, dx = build.top_gradient(layer, 0), _rows(layer, build.bottom_gradient(layer, index))
            if x.shape[0] == 1:
                build.backward("copy", dy.view((columns,), offset), out=dx.flat())
            else:
                build.backward("take_columns", _rows(layer, dy), out=dx, offset=offset)
        offset += columns


def _rows(layer: Concat, buffer: Buffer) -> Buffer:
    """The axes before the joined one as rows, it and those after it as columns; the batch, users' axis 0, lies last in memory."""
    place = layer.axis - 1 if layer.axis else len(buffer.shape) - 1
    return buffer.view((prod(buffer.shape[:place]), prod(buffer.shape[place:])))


@lowers(Flatten)
def lower_flatten(layer: Flatten, build: Builder) -> None:
    _lower_reshaped(layer, build)


@lowers(Reshape)
def lower_reshape(layer: Reshape, build: Builder) -> None:
    _lower_reshaped(layer, build)


def _lower_reshaped(layer: Layer, build: Builder) -> None:
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
