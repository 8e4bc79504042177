"""The largest elements along an axis, in order (Caffe's argmax_layer.cpp).  Arrays are (outer, C, inner) as in softmax/cpu.py."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.softmax.cpu import RUN, runs


@inner
def precedes(a, i, b, j):
    """Whether element a at index i stands before b at j: the larger one, of equals the later one; NaN is larger than all."""
    if a != a or b != b:
        return a != a and (b == b or i > j)
    return a > b or (a == b and i > j)


@kernel(items=lambda x, y, values: runs(y), flops=lambda x, y, values: 2 * y.shape[1] * x.size)
@jit
def largest(begin, end, x, y, values):
    """y (outer, K, inner) = the K elements of x (outer, C, inner) that come first in order, or their indices.

    Item: a run of inner positions.  Each of the K passes finds the first of those behind the last pass's.
    """
    _, C, inner = x.shape
    per_outer = -(-inner // RUN)
    best, last = np.empty(RUN, np.float32), np.empty(RUN, np.float32)
    index, last_index = np.empty(RUN, np.int64), np.empty(RUN, np.int64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        for k in range(y.shape[1]):
            for i in range(n):
                index[i] = -1
            for c in range(C):
                row = x[outer, c, start : start + n]
                for i in range(n):
                    left = k == 0 or precedes(last[i], last_index[i], row[i], c)
                    if left and (index[i] < 0 or precedes(row[i], c, best[i], index[i])):
                        best[i], index[i] = row[i], c
            for i in range(n):
                last[i], last_index[i] = best[i], index[i]
                y[outer, k, start + i] = best[i] if values else np.float32(index[i])
