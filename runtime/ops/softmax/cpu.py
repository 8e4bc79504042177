"""Softmax along any axis (Caffe's softmax_layer.cpp).

Arrays are (outer, C, inner): the axes before the one that sums to 1, that one, and those after it, the batch last among them.
An item is a run of inner positions of one outer index.
"""

from __future__ import annotations

from typing import Any

from runtime.kernels.cpu.exponential import ONE, exponential
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel

RUN = 64  # inner positions of one item


def runs(x: Any) -> int:
    """How many items an (outer, C, inner) array makes."""
    return x.shape[0] * -(-x.shape[2] // RUN)


@kernel(items=lambda x, y: runs(y), scratch=lambda *_: 2 * RUN, flops=12)
@jit
def softmax_forward(begin, end, x, y, scratch):
    """y = exp(x - max x) / sum(exp(x - max x)).  Scratch: 2 RUN."""
    _, C, inner = x.shape
    per_outer = -(-inner // RUN)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        largest, total = scratch[:n], scratch[RUN : RUN + n]
        for i in range(n):
            largest[i] = x[outer, 0, start + i]
            total[i] = 0
        for c in range(1, C):
            row = x[outer, c, start : start + n]
            for i in range(n):
                largest[i] = largest[i] if row[i] < largest[i] else row[i]
        for c in range(C):
            row, out = x[outer, c, start : start + n], y[outer, c, start : start + n]
            for i in range(n):
                out[i] = exponential(row[i] - largest[i])
                total[i] += out[i]
        for i in range(n):
            total[i] = ONE / total[i]
        for c in range(C):
            out = y[outer, c, start : start + n]
            for i in range(n):
                out[i] *= total[i]


@kernel(items=lambda dy, y, dx: runs(y), scratch=lambda *_: RUN, flops=4)
@jit
def softmax_backward(begin, end, dy, y, dx, scratch):
    """dx = y * (dy - sum(y * dy)).  Scratch: RUN."""
    _, C, inner = y.shape
    per_outer = -(-inner // RUN)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        total = scratch[:n]
        total[:] = 0
        for c in range(C):
            gradient, value = dy[outer, c, start : start + n], y[outer, c, start : start + n]
            for i in range(n):
                total[i] += gradient[i] * value[i]
        for c in range(C):
            gradient, value = dy[outer, c, start : start + n], y[outer, c, start : start + n]
            out = dx[outer, c, start : start + n]
            for i in range(n):
                out[i] = value[i] * (gradient[i] - total[i])
