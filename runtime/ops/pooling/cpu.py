"""Pooling by windows (Caffe's pooling_layer.cpp), first down the rows, then along each row, so that long runs are contiguous.

Blobs are (C, H, W, N).  A window is cut where it leaves the image.  The mean divides by the size of the window cut to the padded
image.  The maximum remembers, for each output, where in its window it was found (row * kernel width + column, uint8 or uint16);
of equals the first in that order wins.  Backward gathers: every input element adds up what the windows over it give, in order.
"""

from __future__ import annotations

from math import prod

import numpy as np

from runtime.kernels.cpu.jit import inner, jit, shared
from runtime.kernels.cpu.moves import clear_floats, copy_units
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.ops.pooling import stochastic as _stochastic  # noqa: F401 - registers its kernels
from runtime.ops.pooling import unpooling as _unpooling  # noqa: F401 - registers its kernels
from runtime.ops.pooling.adding import add_where
from runtime.ops.pooling.largest import keep_largest

LOWEST = np.float32(np.finfo(np.float32).min)  # Caffe's maximum of nothing
TOGETHER = 4096  # floats of a result whose windows stay in the nearest caches


@shared
def rows_at_once(y):
    """How many rows of y (C, OH, OW, N) are one item: few images make short rows."""
    return max(1, min(y.shape[1], TOGETHER // (y.shape[2] * y.shape[3])))


@shared
def deals(N, stride):
    """Whether columns are dealt out by phases (their number modulo the stride), so that each of all windows is a run."""
    return N < LANES and stride[1] > 1


def _dealt_size(x, y, argmax, kernel, stride, pad):
    rows = (rows_at_once(y) - 1) * stride[0] + kernel[0]
    return rows * (x.shape[2] + stride[1]) * x.shape[3] + LANES if deals(x.shape[3], stride) else LANES


@kernel(
    items=lambda x, y, *_: y.shape[0] * -(-y.shape[1] // rows_at_once(y)),
    scratch=_dealt_size,
    flops=lambda x, y, argmax, kernel, *_: prod(kernel) * y.size,
)
@jit
def pool_max_forward(begin, end, x, y, argmax, scratch, kernel, stride, pad):
    """y, argmax (C, OH, OW, N) from x.  An item is some rows of a channel of y; scratch: the rows of x that they take."""
    _, H, W, N = x.shape
    OH, OW = y.shape[1:3]
    source, out, where, together, dealt = x.reshape(-1), y.reshape(-1), argmax.reshape(-1), rows_at_once(y), deals(N, stride)
    offsets, places = np.empty(kernel[0] * kernel[1], np.int64), np.empty(kernel[0] * kernel[1], np.int32)
    inside, beyond = whole_windows(W, OW, kernel[1], stride[1], pad[1])
    across = -(-W // stride[1]) * N  # of a phase
    lines, step = (scratch, stride[0] * stride[1] * across) if dealt else (source, stride[0] * W * N)
    long = (dealt or stride[1] == 1) and inside < beyond
    for item in range(begin, end):
        c, first = item // -(-OH // together), item % -(-OH // together) * together
        last = min(first + together, OH)
        base = max(first * stride[0] - pad[0], 0)
        if dealt:
            for ih in range(base, min((last - 1) * stride[0] - pad[0] + kernel[0], H)):
                for p in range(min(stride[1], W)):
                    at, to = ((c * H + ih) * W + p) * N, (ih - base) * stride[1] * across + p * across
                    copy_units(source, at, stride[1] * N, scratch, to, N, N, -(-(W - p) // stride[1]))
        before, count, at = (-1, -1, False), 0, 0
        runs = OW - (beyond - inside - 1) if long else OW
        for t in range(runs * (last - first)):
            # Down the rows where a run is as wide as the image, along a row where each window is one: lists are made seldom.
            r, i = (t % (last - first), t // (last - first)) if long else (t // runs, t % runs)
            oh, ow = first + r, i + (beyond - inside - 1 if long and i > inside else 0)
            run, top = beyond - inside if long and i == inside else 1, oh * stride[0] - pad[0]
            whole = 0 <= top <= H - kernel[0]
            if whole and before[2] and before[1] == ow:
                at += (oh - before[0]) * step
            elif before[0] == oh and inside <= before[1] < ow < beyond:
                at += (ow - before[1]) * stride[1] * N
            else:
                rows = top, c * H, base, H
                count, at = list_elements(offsets, places, rows, ow * stride[1] - pad[1], W, N, kernel, stride[1], dealt), 0
            before, to = (oh, ow, whole), ((c * OH + oh) * OW + ow) * N
            if count == 0:
                out[to : to + run * N] = LOWEST
                where[to : to + run * N] = 0
            else:
                keep_largest(lines, at, offsets, places, count, out, where, to, run * N)


@inner
def list_elements(offsets, places, rows, left, W, N, kernel, stride, dealt):
    """Write where the elements of a window lie, and which ones they are; returns how many lie inside the image.

    rows: the window's first row, the first of x's channel, the first that was dealt out, and how many there are.
    """
    (top, channel, base, H), count, across = rows, 0, -(-W // stride) * N
    for ih in range(max(top, 0), min(top + kernel[0], H)):
        for iw in range(max(left, 0), min(left + kernel[1], W)):
            in_phases = ((ih - base) * stride + iw % stride) * across + iw // stride * N
            offsets[count] = in_phases if dealt else ((channel + ih) * W + iw) * N
            places[count] = (ih - top) * kernel[1] + iw - left
            count += 1
    return count


@shared
def whole_windows(width, windows, kernel, stride, pad):
    """The half-open range of windows along a row that lie inside it."""
    first = -(-pad // stride)
    return first, max(first, min((width + pad - kernel) // stride + 1, windows))


@kernel(
    items=lambda dy, argmax, dx, kernel, stride, pad: dx.shape[0] * dx.shape[1],
    flops=lambda dy, argmax, dx, kernel, *_: prod(kernel) * dy.size,
)
@jit
def pool_max_backward(begin, end, dy, argmax, dx, kernel, stride, pad):
    """dx (C, H, W, N) from dy, argmax (C, OH, OW, N).  An item is one row of dx."""
    _, H, W, N = dx.shape
    _, OH, OW, _ = dy.shape
    gradients, places, total = dy.reshape(-1), argmax.reshape(-1), dx.reshape(-1)
    for item in range(begin, end):
        c, ih = item // H, item % H
        clear_floats(total, item * W * N, W * N)
        first_row, last_row = covering(ih + pad[0], kernel[0], stride[0], OH)
        for oh in range(first_row, last_row):
            row = (ih + pad[0] - oh * stride[0]) * kernel[1]
            for j in range(kernel[1] - 1, -1, -1):  # of each element the windows from the left
                shift = j - pad[1]
                first = max(0, -(shift // stride[1]))
                count = min(OW, -((shift - W) // stride[1])) - first
                at, to = ((c * OH + oh) * OW + first) * N, (item * W + first * stride[1] + shift) * N
                if count > 0 and stride[1] == 1:
                    add_where(gradients, places, at, row + j, total, to, 0, count * N, 1)
                elif count > 0:
                    add_where(gradients, places, at, row + j, total, to, stride[1] * N, N, count)


@inner
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


@inner
def reciprocal(window, kernel, stride, pad, size):
    """1 / the length of a window along one axis, cut to the padded image; 0 if it starts beyond that."""
    start = window * stride - pad
    length = min(start + kernel, size + pad) - start
    return np.float32(1.0 / length) if length > 0 else np.float32(0)
