"""Pooling by windows (Caffe's pooling_layer.cpp), first down the rows, then along each row, so that long runs are contiguous.

Blobs are (C, H, W, N).  A window is cut where it leaves the image.  The mean divides by the size of the window cut to the padded
image.  The maximum remembers, for each output, where in its window it was found (row * kernel width + column, uint8 or uint16);
of equals the first in that order wins.  Backward gathers: every input element adds up what the windows over it give, in order.
"""

from __future__ import annotations

from math import prod

import numpy as np

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.pooling import stochastic as _stochastic  # noqa: F401 - registers its kernels
from runtime.ops.pooling import unpooling as _unpooling  # noqa: F401 - registers its kernels

LOWEST = np.float32(np.finfo(np.float32).min)  # Caffe's maximum of nothing
NOWHERE = -1  # an index that no window has


@kernel(
    items=lambda x, y, *_: y.shape[0] * y.shape[1],
    scratch=lambda x, *_: 2 * x.shape[2] * x.shape[3],
    flops=lambda x, y, argmax, kernel, *_: prod(kernel) * y.size,
)
@jit
def pool_max_forward(begin, end, x, y, argmax, scratch, kernel, stride, pad):
    """y, argmax (C, OH, OW, N) from x.  An item is one row of y; scratch: 2 rows of x."""
    C, H, W, N = x.shape
    _, OH, OW, _ = y.shape
    rows = x.reshape(C, H, W * N)
    best, best_row = scratch[: W * N], scratch[W * N : 2 * W * N]
    best_at, row_at = best.reshape(W, N), best_row.reshape(W, N)
    for item in range(begin, end):
        c, oh = item // OH, item % OH
        top = oh * stride[0] - pad[0]
        low, high = max(top, 0), min(top + kernel[0], H)
        column_maximum(rows, c, low, high, top, kernel[1], best, best_row)
        for ow in range(OW):
            left = ow * stride[1] - pad[1]
            low, high = max(left, 0), min(left + kernel[1], W)
            row_maximum(best_at, row_at, low, high, left, y, argmax, c, oh, ow)


@jit
def column_maximum(rows, c, low, high, top, kernel_width, best, best_row):
    """best[i] = max of rows[c, low:high, i]; best_row[i] = (its row - top) * kernel_width, of the first one.

    Two rows a pass; where the last pass has only one, that one is compared twice.
    """
    for ih in range(low, high, 2):
        jh = min(ih + 1, high - 1)
        row_a, row_b = np.float32((ih - top) * kernel_width), np.float32((jh - top) * kernel_width)
        if ih == low:
            for i in range(best.size):
                a, b = rows[c, ih, i], rows[c, jh, i]
                best[i] = b if b > a else a
                best_row[i] = row_b if b > a else row_a
        else:
            for i in range(best.size):
                a, b = rows[c, ih, i], rows[c, jh, i]
                value = a if a > best[i] else best[i]
                row = row_a if a > best[i] else best_row[i]
                best[i] = b if b > value else value
                best_row[i] = row_b if b > value else row
    if low >= high:
        best[:] = LOWEST
        best_row[:] = 0


@jit
def row_maximum(best, best_row, low, high, left, y, argmax, c, oh, ow):
    """y[c, oh, ow] = max of best[low:high]; argmax = where in the window: of equals the one in the upper row, then the left one.

    Three columns a pass; where the last pass has fewer, its last one is compared again.
    """
    N = y.shape[3]
    for iw in range(low, high, 3):
        jw, kw = min(iw + 1, high - 1), min(iw + 2, high - 1)
        column_a, column_b, column_c = np.float32(iw - left), np.float32(jw - left), np.float32(kw - left)
        for n in range(N):
            value, at = best[iw, n], best_row[iw, n] + column_a
            v, here = best[jw, n], best_row[jw, n] + column_b
            better = (v > value) | ((v == value) & (here < at))
            value, at = v if better else value, here if better else at
            v, here = best[kw, n], best_row[kw, n] + column_c
            better = (v > value) | ((v == value) & (here < at))
            value, at = v if better else value, here if better else at
            if iw > low:
                v, here = y[c, oh, ow, n], np.float32(argmax[c, oh, ow, n])
                better = (v > value) | ((v == value) & (here < at))
                value, at = v if better else value, here if better else at
            y[c, oh, ow, n] = value
            argmax[c, oh, ow, n] = np.int32(at)
    if low >= high:
        for n in range(N):
            y[c, oh, ow, n] = LOWEST
            argmax[c, oh, ow, n] = 0


@kernel(
    items=lambda dy, argmax, dx, kernel, stride, pad: dx.shape[0] * dx.shape[1],
    flops=lambda dy, argmax, dx, kernel, *_: prod(kernel) * dy.size,
)
@jit
def pool_max_backward(begin, end, dy, argmax, dx, kernel, stride, pad):
    """dx (C, H, W, N) from dy, argmax (C, OH, OW, N).  An item is one row of dx.  Two windows a pass."""
    _, H, W, N = dx.shape
    _, OH, OW, _ = dy.shape
    for item in range(begin, end):
        c, ih = item // H, item % H
        first_row, last_row = covering(ih + pad[0], kernel[0], stride[0], OH)
        for iw in range(W):
            first, last = covering(iw + pad[1], kernel[1], stride[1], OW)
            if first_row >= last_row or first >= last:
                for n in range(N):
                    dx[c, ih, iw, n] = 0
            for oh in range(first_row, last_row):
                for ow in range(first, last, 2):
                    here = (ih + pad[0] - oh * stride[0]) * kernel[1] + iw + pad[1] - ow * stride[1]
                    after = min(ow + 1, last - 1)
                    there = here - stride[1] if after > ow else NOWHERE
                    fresh = oh == first_row and ow == first
                    for n in range(N):
                        a = dy[c, oh, ow, n] if argmax[c, oh, ow, n] == here else np.float32(0)
                        b = dy[c, oh, after, n] if argmax[c, oh, after, n] == there else np.float32(0)
                        before = np.float32(0) if fresh else dx[c, ih, iw, n]
                        dx[c, ih, iw, n] = before + (a + b)


@jit
def covering(position, kernel, stride, windows):
    """The half-open range of windows over a position of the padded image."""
    first = 0 if position < kernel else (position - kernel) // stride + 1
    return first, min(position // stride + 1, windows)


@kernel(items=lambda argmax, positions, size, kernel, stride, pad: argmax.shape[0] * argmax.shape[1], flops=0)
@jit
def pool_positions(begin, end, argmax, positions, size, kernel, stride, pad):
    """positions (C, OH, OW, N) = row * W + column, in the channel of `size` (H, W), of each maximum; -1 of no element at all."""
    height, width = size
    _, OH, OW, N = argmax.shape
    for item in range(begin, end):
        c, oh = item // OH, item % OH
        for ow in range(OW):
            top, left = oh * stride[0] - pad[0], ow * stride[1] - pad[1]
            empty, start = top >= height or left >= width, top * width + left
            for n in range(N):
                at = np.int64(argmax[c, oh, ow, n])
                positions[c, oh, ow, n] = -1 if empty else start + at // kernel[1] * width + at % kernel[1]


@kernel(
    items=lambda x, y, *_: y.shape[0] * y.shape[1],
    scratch=lambda x, *_: x.shape[2] * x.shape[3],
    flops=lambda x, y, kernel, *_: prod(kernel) * y.size,
)
@jit
def pool_ave_forward(begin, end, x, y, scratch, kernel, stride, pad):
    """y (C, OH, OW, N) from x.  An item is one row of y; scratch: 1 row of x."""
    C, H, W, N = x.shape
    _, OH, OW, _ = y.shape
    rows, column = x.reshape(C, H, W * N), scratch[: W * N]
    column_at = column.reshape(W, N)
    for item in range(begin, end):
        c, oh = item // OH, item % OH
        top = oh * stride[0] - pad[0]
        column[:] = 0
        for ih in range(max(top, 0), min(top + kernel[0], H)):
            for i in range(W * N):
                column[i] += rows[c, ih, i]
        for ow in range(OW):
            left = ow * stride[1] - pad[1]
            factor = reciprocal(oh, kernel[0], stride[0], pad[0], H) * reciprocal(ow, kernel[1], stride[1], pad[1], W)
            for n in range(N):
                y[c, oh, ow, n] = 0
            for iw in range(max(left, 0), min(left + kernel[1], W)):
                for n in range(N):
                    y[c, oh, ow, n] += column_at[iw, n]
            for n in range(N):
                y[c, oh, ow, n] *= factor


@kernel(
    items=lambda dy, dx, *_: dx.shape[0] * dx.shape[1],
    scratch=lambda dy, *_: dy.shape[2] * dy.shape[3],
    flops=lambda dy, dx, kernel, *_: prod(kernel) * dy.size,
)
@jit
def pool_ave_backward(begin, end, dy, dx, scratch, kernel, stride, pad):
    """dx (C, H, W, N) from dy (C, OH, OW, N).  An item is one row of dx; scratch: 1 row of dy."""
    _, H, W, N = dx.shape
    C, OH, OW, _ = dy.shape
    rows, column = dy.reshape(C, OH, OW * N), scratch[: OW * N]
    column_at = column.reshape(OW, N)
    for item in range(begin, end):
        c, ih = item // H, item % H
        column[:] = 0
        first, last = covering(ih + pad[0], kernel[0], stride[0], OH)
        for oh in range(first, last):
            factor = reciprocal(oh, kernel[0], stride[0], pad[0], H)
            for i in range(OW * N):
                column[i] += factor * rows[c, oh, i]
        for iw in range(W):
            for n in range(N):
                dx[c, ih, iw, n] = 0
            first, last = covering(iw + pad[1], kernel[1], stride[1], OW)
            for ow in range(first, last):
                factor = reciprocal(ow, kernel[1], stride[1], pad[1], W)
                for n in range(N):
                    dx[c, ih, iw, n] += factor * column_at[ow, n]


@jit
def reciprocal(window, kernel, stride, pad, size):
    """1 / the length of a window along one axis, cut to the padded image; 0 if it starts beyond that."""
    start = window * stride - pad
    length = min(start + kernel, size + pad) - start
    return np.float32(1.0 / length) if length > 0 else np.float32(0)
