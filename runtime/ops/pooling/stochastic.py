"""Stochastic pooling (Zeiler & Fergus 2013, arXiv 1301.3557; Caffe's pooling_layer.cu).

Blobs are (C, H, W, N), windows are cut where they leave the image.  An element is drawn from each window, the larger the likelier,
and where it was is remembered as by the maximum, whose backward (cpu.py) serves both.
"""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.philox import HALF, POOLING_STREAM, WORD, philox
from runtime.kernels.cpu.registry import kernel

in_order = partial(jit, fast_math={"nsz"})  # sums that decide which element is taken are a card's to the bit


@kernel(
    items=lambda x, iteration, y, *_: y.shape[0] * y.shape[1],
    scratch=lambda x, *_: 3 * x.shape[3],
    flops=lambda x, iteration, y, chosen, key, kernel, *_: 2 * prod(kernel) * y.size,
)
@in_order
def pool_stochastic_forward(begin, end, x, iteration, y, chosen, scratch, key, kernel, stride, pad):
    """y, chosen (C, OH, OW, N): of each window of x the first element with which the sum reaches u times the whole sum.

    u in (0, 1] is drawn for each output from `key` and `iteration`.  Item: one row of y; scratch: 3 N.
    """
    _, H, W, N = x.shape
    _, OH, OW, _ = y.shape
    total, limit, reached = scratch[:N], scratch[N : 2 * N], scratch[2 * N : 3 * N]
    for item in range(begin, end):
        c, oh = item // OH, item % OH
        top = oh * stride[0] - pad[0]
        first_row, last_row = max(top, 0), min(top + kernel[0], H)
        for ow in range(OW):
            left = ow * stride[1] - pad[1]
            first, last = max(left, 0), min(left + kernel[1], W)
            total[:] = 0
            for ih in range(first_row, last_row):
                for iw in range(first, last):
                    for n in range(N):
                        total[n] += x[c, ih, iw, n]
            draw(limit, (item * OW + ow) * N, iteration[0], key)
            for n in range(N):
                limit[n] *= total[n]
                y[c, oh, ow, n], chosen[c, oh, ow, n], total[n], reached[n] = 0, 0, 0, 0
            for ih in range(first_row, last_row):
                for iw in range(first, last):
                    here = (ih - top) * kernel[1] + iw - left
                    for n in range(N):
                        total[n] += x[c, ih, iw, n]
                        if reached[n] == 0:
                            y[c, oh, ow, n], chosen[c, oh, ow, n] = x[c, ih, iw, n], here
                            reached[n] = total[n] >= limit[n]
            for n in range(N):
                if total[n] != total[n]:
                    y[c, oh, ow, n] = total[n]  # a NaN of the window is not hidden


@inner
def draw(u, first, iteration, key):
    """u = the numbers in (0, 1] of elements `first`, `first` + 1 ... of a layer's output."""
    k0, k1, turn, stream = np.uint64(key[0]), np.uint64(key[1]), np.uint64(iteration) & WORD, np.uint64(POOLING_STREAM)
    words = philox(np.uint64(0), np.uint64(0), turn, stream, k0, k1)
    for i in range(u.size):
        if i == 0 or (first + i) % 4 == 0:
            counter = np.uint64((first + i) // 4)
            words = philox(counter & WORD, counter >> HALF, turn, stream, k0, k1)
        u[i] = np.float32((words[(first + i) % 4] >> np.uint64(8)) + np.uint64(1)) * np.float32(2.0**-24)


@kernel(
    items=lambda x, y, *_: y.shape[0] * y.shape[1],
    scratch=lambda x, *_: x.shape[3],
    flops=lambda x, y, kernel, *_: 3 * prod(kernel) * y.size,
)
@jit
def pool_weighted_forward(begin, end, x, y, scratch, kernel, stride, pad):
    """y (C, OH, OW, N) = sum(x * x) / sum(x) over each window, 0 where the sum is not above 0: what is drawn, on average.

    Item: one row of y; scratch: N.
    """
    _, H, W, N = x.shape
    _, OH, OW, _ = y.shape
    total = scratch[:N]
    for item in range(begin, end):
        c, oh = item // OH, item % OH
        top = oh * stride[0] - pad[0]
        for ow in range(OW):
            left = ow * stride[1] - pad[1]
            for n in range(N):
                total[n], y[c, oh, ow, n] = 0, 0
            for ih in range(max(top, 0), min(top + kernel[0], H)):
                for iw in range(max(left, 0), min(left + kernel[1], W)):
                    for n in range(N):
                        total[n] += x[c, ih, iw, n]
                        y[c, oh, ow, n] += x[c, ih, iw, n] * x[c, ih, iw, n]
            for n in range(N):
                y[c, oh, ow, n] = np.float32(0) if total[n] <= 0 else y[c, oh, ow, n] / total[n]
