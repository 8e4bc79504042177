"""Elements copied to other positions: columns of matrices, boxes, tiles, images, and batches cut anew; and sums back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from runtime.ir.program import ITEM_BYTES
from runtime.kernels.cpu.index import index_of
from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.registry import Launch, kernel, launch, plans
from runtime.kernels.cpu.transposing import transpose
from runtime.kernels.operand import Operand
from runtime.ops.changed_shapes import ShapesChangedError

COLUMNS = 256  # of a matrix that one item transposes: a kilobyte of each row


@kernel(items=lambda x, y, offset: y.shape[0], flops=0, moved=lambda x, y, offset: x.bytes + x.size * ITEM_BYTES[y.dtype])
@jit
def join_columns(begin, end, x, y, offset):
    """y[:, offset : offset + columns of x] = x; the other columns of y are other instructions'."""
    for row in range(begin, end):
        source, out = x[row], y[row, offset : offset + x.shape[1]]
        for i in range(out.size):
            out[i] = source[i]


@kernel(items=lambda x, y, offset: y.shape[0], flops=0, moved=lambda x, y, offset: y.bytes + y.size * ITEM_BYTES[x.dtype])
@jit
def take_columns(begin, end, x, y, offset):
    """y = x[:, offset : offset + columns of y]."""
    for row in range(begin, end):
        source, out = x[row, offset : offset + y.shape[1]], y[row]
        for i in range(out.size):
            out[i] = source[i]


@plans(flops=0)
def rebatch(x: Operand, y: Operand) -> Launch:
    """x (per image, N) -> y (per image', N'): the same numbers in the order that users see, N first, cut into N' images.

    Where one of them has its numbers in that order already, it is a transposition.
    """
    if x.shape[1] == 1:
        return launch("transpose_matrix", replace(x, shape=y.shape[::-1]), y)
    if y.shape[1] == 1:
        return launch("transpose_matrix", x, replace(y, shape=x.shape[::-1]))
    return launch("cut_anew", x, y)


@kernel(items=lambda x, y: -(-x.shape[1] // COLUMNS))
@jit
def transpose_matrix(begin, end, x, y):
    """y (columns, rows) = x (rows, columns) transposed.  Item: COLUMNS of x."""
    rows, columns = x.shape
    for item in range(begin, end):
        first = item * COLUMNS
        transpose(x.reshape(-1), first, columns, rows, min(COLUMNS, columns - first), y.reshape(-1), first * rows, rows)


@kernel(items=lambda x, y: y.shape[0])
@jit
def cut_anew(begin, end, x, y):
    """`rebatch`, any of them.  Item: a row of y."""
    old, _ = x.shape
    new, N = y.shape
    for row in range(begin, end):
        for n in range(N):
            at = n * new + row
            y[row, n] = x[at % old, at // old]


@inner
def copy_rows(x, y, extent0, extent1, x0, x1, y0, y1, x_from, y_from):
    """extent0 rows of extent1 elements, at these distances and from these elements of flat arrays on."""
    for i in range(extent0):
        at, to = x_from + i * x0, y_from + i * y0
        if x1 == 1 and y1 == 1:
            source, out = x[at : at + extent1], y[to : to + extent1]
            for j in range(extent1):
                out[j] = source[j]
        else:
            for j in range(extent1):
                y[to + j * y1] = x[at + j * x1]


@kernel(
    items=lambda x, y, box: box.extents[0] * box.extents[1] * box.extents[2],
    flops=0,
    moved=lambda x, y, box: box.moved(ITEM_BYTES[x.dtype], ITEM_BYTES[y.dtype]),
)
@jit
def copy_box(begin, end, x, y, box):
    """y = x where the box says (box.py); other elements of y stay.  Flat arrays.  Item: the last two axes."""
    extents, xs, ys = box.extents, box.x_strides, box.y_strides
    for item in range(begin, end):
        i, j, k = item // (extents[1] * extents[2]), item // extents[2] % extents[1], item % extents[2]
        x_from = box.x_offset + i * xs[0] + j * xs[1] + k * xs[2]
        y_from = box.y_offset + i * ys[0] + j * ys[1] + k * ys[2]
        copy_rows(x, y, extents[3], extents[4], xs[3], xs[4], ys[3], ys[4], x_from, y_from)


@kernel(items=lambda dy, dx: dx.shape[0], flops=1)
@jit
def sum_tiles(begin, end, dy, dx):
    """dx (rows, columns) = the sum of dy (rows, tiles, columns) over the tiles, in order."""
    for row in range(begin, end):
        out, first = dx[row], dy[row, 0]
        for i in range(out.size):
            out[i] = first[i]
        for tile in range(1, dy.shape[1]):
            source = dy[row, tile]
            for i in range(out.size):
                out[i] += source[i]


@kernel(items=lambda selector, order, layer: 1, flops=0)
def select_images(begin, end, selector, order, layer):
    """order (M,) = the n with selector (N,)[n] other than 0, in order.

    Raises
    ------
    ShapesChangedError: there are not M of them.
    NetdefError: there are none.
    """
    chosen = np.flatnonzero(selector)
    if not chosen.size:
        hint = "Caffe's backward pass divides by their number; keep a batch from being left without images, or make it larger"
        raise layer.error(f"{layer.bottoms[-1]} drops all {selector.size} images of a batch", "bottom", len(layer.tops), hint=hint)
    if chosen.size != order.size:
        text = f"{layer.bottoms[-1]} keeps {chosen.size} of {selector.size} images, and kept {order.size} before"
        raise ShapesChangedError(layer, 0, text, chosen.size)
    order[...] = chosen


@kernel(items=lambda x, order, y: y.shape[0], flops=0, moved=lambda x, order, y: order.bytes + 2 * y.bytes)
@jit
def take_images(begin, end, x, order, y):
    """y (rows, M)[:, n] = x (rows, N)[:, order[n]]."""
    for row in range(begin, end):
        for n in range(order.size):
            y[row, n] = x[row, index_of(order[n], x.shape[1])]


@kernel(items=lambda dy, order, dx: dx.shape[0], flops=1)
@jit
def add_images(begin, end, dy, order, dx):
    """dx (rows, N)[:, m] = the sum of dy (rows, M)[:, n] over the n with order[n] = m, in order."""
    for row in range(begin, end):
        for m in range(dx.shape[1]):
            dx[row, m] = 0
        for n in range(order.size):
            dx[row, index_of(order[n], dx.shape[1])] += dy[row, n]
