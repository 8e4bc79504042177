"""How Concat lowers: each bottom is copied to its place, one run of memory where the axis is the outermost."""

from __future__ import annotations

from math import prod

from netdef.layers.concat import Concat
from runtime.lowering import Builder, lowers
from runtime.program import Buffer


@lowers(Concat)
def lower(layer: Concat, build: Builder) -> None:
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
