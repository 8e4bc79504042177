"""What Eltwise needs beyond sums and products: maxima that remember which input they are from."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import BLOCK, blocks, jit
from runtime.kernels.cpu.registry import kernel


@kernel(items=lambda a, b, y, winner: blocks(y.size), flops=1)
@jit
def maximum_pair(begin, end, a, b, y, winner):
    """y = max(a, b); winner (uint8) = 0 where a is larger, else 1 (Caffe's eltwise_layer.cpp gives ties to the second)."""
    for item in range(begin, end):
        left = a[item * BLOCK : (item + 1) * BLOCK]
        right = b[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        won = winner[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            first = left[i] > right[i]
            out[i] = left[i] if first else right[i]
            won[i] = np.uint8(0) if first else np.uint8(1)


@kernel(items=lambda y_before, x, winner_before, y, winner, index: blocks(y.size), flops=1)
@jit
def maximum_next(begin, end, y_before, x, winner_before, y, winner, index):
    """y = max(y_before, x); winner = index where x is larger than all before it (ties stay with the earlier)."""
    me = np.uint8(index)
    for item in range(begin, end):
        best = y_before[item * BLOCK : (item + 1) * BLOCK]
        source = x[item * BLOCK : (item + 1) * BLOCK]
        before = winner_before[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        won = winner[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            larger = source[i] > best[i]
            out[i] = source[i] if larger else best[i]
            won[i] = me if larger else before[i]


@kernel(items=lambda dy, winner, dx, index: blocks(dx.size), flops=1)
@jit
def maximum_backward(begin, end, dy, winner, dx, index):
    """dx = dy where input `index` was the largest, else 0."""
    me = np.uint8(index)
    for item in range(begin, end):
        gradient = dy[item * BLOCK : (item + 1) * BLOCK]
        won = winner[item * BLOCK : (item + 1) * BLOCK]
        out = dx[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = gradient[i] if won[i] == me else np.float32(0)
