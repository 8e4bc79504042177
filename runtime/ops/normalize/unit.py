"""Columns of x (outer, K, inner) divided by their lengths (normalize_layer.cpp of SSD's Caffe)."""

from __future__ import annotations

import math

import numpy as np

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel

RUN = 64  # inner positions of one item


@kernel(items=lambda x, *_: x.shape[0] * -(-x.shape[2] // RUN), flops=4)
@jit
def unit_columns(begin, end, x, y, inverse, eps):
    """y = x * inverse, where inverse (outer, inner) = 1 / sqrt(the sum of squares along K + eps)."""
    _, K, inner = x.shape
    per_outer, total = -(-inner // RUN), np.empty(RUN, np.float64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        factor = inverse[outer, start : start + n]
        total[:n] = eps
        for k in range(K):
            row = x[outer, k, start : start + n]
            for i in range(n):
                total[i] += row[i] * row[i]
        for i in range(n):
            factor[i] = 1 / math.sqrt(total[i])
        for k in range(K):
            row, out = x[outer, k, start : start + n], y[outer, k, start : start + n]
            for i in range(n):
                out[i] = row[i] * factor[i]


@kernel(items=lambda dy, *_: dy.shape[0] * -(-dy.shape[2] // RUN), flops=5)
@jit
def unit_columns_backward(begin, end, dy, y, inverse, dx):
    """dx = (dy - y * the sum of dy * y along K) * inverse (outer, inner)."""
    _, K, inner = dy.shape
    per_outer, total = -(-inner // RUN), np.empty(RUN, np.float64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        total[:n] = 0
        for k in range(K):
            gradient, value = dy[outer, k, start : start + n], y[outer, k, start : start + n]
            for i in range(n):
                total[i] += gradient[i] * value[i]
        factor = inverse[outer, start : start + n]
        for k in range(K):
            gradient, value = dy[outer, k, start : start + n], y[outer, k, start : start + n]
            out = dx[outer, k, start : start + n]
            for i in range(n):
                out[i] = (gradient[i] - value[i] * np.float32(total[i])) * factor[i]
