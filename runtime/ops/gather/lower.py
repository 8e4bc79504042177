"""How layers lower that put the same elements elsewhere: by views where a run of memory holds them, else by copies."""

from __future__ import annotations

from math import prod

from netdef.graph.layer import Layer
from netdef.graph.shape import images as images_of
from netdef.layers.concat import Concat, Slice
from netdef.layers.permute import Permute, Reorg, ShuffleChannel
from netdef.layers.reshape import Flatten, Reshape
from netdef.layers.select import BatchReindex, Crop, Filter, Tile
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer, internal_shape
from runtime.ops.gather.box import Box, box, strides_of
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


def _rows(layer: Concat | Slice | Tile, buffer: Buffer) -> Buffer:
    """The axes before the layer's as rows, it and those after it as columns; the batch, users' axis 0, lies last in memory."""
    index = layer.axis - 1 if layer.axis else len(buffer.shape) - 1
    return buffer.view((prod(buffer.shape[:index]), prod(buffer.shape[index:])))


@lowers(Slice)
def lower_slice(layer: Slice, build: Builder) -> None:
    x = build.bottom(layer, 0)
    rows = _rows(layer, x)
    unit = rows.shape[1] // layer.bottoms[0].shape[layer.axis]
    dx = _rows(layer, build.bottom_gradient(layer, 0)) if build.needs_gradient(layer, 0) else None
    offset = 0
    for index, top in enumerate(layer.tops):
        columns = top.shape[layer.axis] * unit
        if rows.shape[0] == 1:
            build.blobs[top] = Buffer(str(top), internal_shape(top.shape), x.role, x.dtype, base=x, offset=offset)
        else:
            build.forward("take_columns", rows, out=_rows(layer, build.top(layer, index)), offset=offset)
        if dx is not None:
            dy = _rows(layer, build.top_gradient(layer, index))
            if rows.shape[0] == 1:
                build.backward("copy", dy.flat(), out=dx.view((columns,), offset))
            else:
                build.backward("join_columns", dy, out=dx, offset=offset)
        offset += columns


@lowers(Tile)
def lower_tile(layer: Tile, build: Builder) -> None:
    rows, columns = _rows(layer, build.bottom(layer, 0)).shape
    tiled = (rows, layer.tiles, columns)
    spread = box(tiled, (columns, 0, 1), strides_of(tiled))
    build.forward("copy_box", build.bottom(layer, 0).flat(), out=build.top(layer, 0).flat(), box=spread)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("sum_tiles", dy.view(tiled), out=dx.view((rows, columns)))


@lowers(Crop)
def lower_crop(layer: Crop, build: Builder) -> None:
    x, y = build.bottom(layer, 0), build.top(layer, 0)
    offsets = (*layer.offsets[1:], layer.offsets[0])
    strides = strides_of(x.shape)
    first = sum(offset * stride for offset, stride in zip(offsets, strides, strict=True))
    cut = box(y.shape, strides, strides_of(y.shape), first)
    build.forward("copy_box", x.flat(), out=y.flat(), box=cut)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("fill", out=dx.flat(), value=0.0)
        build.backward("copy_box", dy.flat(), out=dx.flat(), box=cut.reversed)


@lowers(BatchReindex)
def lower_batch_reindex(layer: BatchReindex, build: Builder) -> None:
    order = build.bottom(layer, 1).flat()
    images, picked = layer.bottoms[0].shape[0], layer.tops[0].shape[0]
    x, y = build.bottom(layer, 0).columns(images), build.top(layer, 0).columns(picked)
    build.forward("take_images", x, order, out=y)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0).columns(picked), build.bottom_gradient(layer, 0).columns(images)
        build.backward("add_images", dy, order, out=dx)


@lowers(Filter)
def lower_filter(layer: Filter, build: Builder) -> None:
    images, kept = layer.bottoms[-1].shape[0], layer.tops[0].shape[0]
    order = build.saved(layer, "order", (kept,))
    build.forward("select_images", build.bottom(layer, len(layer.tops)).flat(), out=order, layer=layer.whole)
    for index in range(len(layer.tops)):
        build.forward("take_images", build.bottom(layer, index).columns(images), order, out=build.top(layer, index).columns(kept))
        if build.needs_gradient(layer, index):
            dy, dx = build.top_gradient(layer, index).columns(kept), build.bottom_gradient(layer, index).columns(images)
            build.backward("add_images", dy, order, out=dx)


@lowers(Flatten)
def lower_flatten(layer: Flatten, build: Builder) -> None:
    _lower_reshaped(layer, build)


@lowers(Reshape)
def lower_reshape(layer: Reshape, build: Builder) -> None:
    _lower_reshaped(layer, build)


def _lower_reshaped(layer: Layer, build: Builder) -> None:
    old, new = images_of(layer.bottoms[0].shape), images_of(layer.tops[0].shape)
    if old == new:  # the rest keeps its order, batch innermost or not
        build.alias(layer, 0, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, 0, 0)
        return

    build.forward("rebatch", build.bottom(layer, 0).columns(old), out=build.top(layer, 0).columns(new))
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("rebatch", dy.columns(new), out=dx.columns(old))


@lowers(Permute)
def lower_permute(layer: Permute, build: Builder) -> None:
    x, y = layer.bottoms[0].shape, internal_shape(layer.tops[0].shape)
    axes = [*range(1, len(x)), 0][: len(x)]  # the first axis lies last
    strides = dict(zip(axes, strides_of(internal_shape(x)), strict=True))
    _lower_box(layer, build, box(y, tuple(strides[layer.order[axis]] for axis in axes), strides_of(y)))


@lowers(ShuffleChannel)
def lower_shuffle(layer: ShuffleChannel, build: Builder) -> None:
    channels = layer.bottoms[0].shape[1]
    row, size = layer.bottoms[0].count // channels, channels // layer.group
    _lower_box(layer, build, box((size, layer.group, row), (row, size * row, 1), strides_of((size, layer.group, row))))


@lowers(Reorg)
def lower_reorg(layer: Reorg, build: Builder) -> None:
    """darknet's order: an image's numbers, read as fewer channels of more pixels, are dealt out as channels of its own size."""
    (N, C, H, W), s = layer.bottoms[0].shape, layer.stride
    extents = (s, s, C // s**2, H, W, N)
    wide = s * W * N
    spread = box(extents, (wide, N, H * s * wide, s * wide, s * N, 1), strides_of(extents))
    _lower_box(layer, build, spread.reversed if layer.reverse else spread)


def _lower_box(layer: Layer, build: Builder, taken: Box) -> None:
    """y = x by a box that covers both, and back."""
    build.forward("copy_box", build.bottom(layer, 0).flat(), out=build.top(layer, 0).flat(), box=taken)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("copy_box", dy.flat(), out=dx.flat(), box=taken.reversed)
