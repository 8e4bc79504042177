"""Sums along the middle axis of (outer, K, inner), and their gradients.  An item is a run of inner positions of one outer index."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.registry import kernel

RUN = 64  # inner positions of one item
STRIP = 64  # numbers of a column that are added up as float32, before their sum is added as float64
ZERO = np.float32(0)
SUM, MAGNITUDES, SQUARES, PRODUCTS = 0, 1, 2, 3  # the operations


def runs(x: Any, *_: Any) -> int:
    """How many items an (outer, K, inner) array makes."""
    return x.shape[0] * -(-x.shape[2] // RUN)


@inner
def add_up(a, b, outer, start, operation, part, total):
    """total (n,) = the sums of a, |a|, a ** 2 or a * b over K, of inner positions from `start` on.

    a, b: (outer, K, inner).  part: n floats to work in.
    """
    n, K = part.size, a.shape[1]
    total[:] = 0
    for first in range(0, K, STRIP):
        part[:] = 0
        for k in range(first, min(first + STRIP, K)):
            left, right = a[outer, k, start : start + n], b[outer, k, start : start + n]
            if operation == SUM:
                for i in range(n):
                    part[i] += left[i]
            elif operation == MAGNITUDES:
                for i in range(n):
                    part[i] += abs(left[i])
            elif operation == SQUARES:
                for i in range(n):
                    part[i] += left[i] * left[i]
            else:
                for i in range(n):
                    part[i] += left[i] * right[i]
        for i in range(n):
            total[i] += part[i]


@kernel(items=runs, scratch=lambda *_: RUN, flops=1)
@jit
def reduce_columns(begin, end, x, y, scratch, operation, factor):
    """y (outer, inner) = factor * the sum of x, |x| or x ** 2 over K (SUM, MAGNITUDES, SQUARES).  Scratch: RUN."""
    inner = x.shape[2]
    per_outer, total = -(-inner // RUN), np.empty(RUN, np.float64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        add_up(x, x, outer, start, operation, scratch[:n], total[:n])
        for i in range(n):
            y[outer, start + i] = factor * total[i]


@kernel(items=runs, scratch=lambda *_: RUN, flops=2)
@jit
def product_columns(begin, end, a, b, y, scratch):
    """y (outer, inner) = the sum of a * b over K.  Scratch: RUN."""
    inner = a.shape[2]
    per_outer, total = -(-inner // RUN), np.empty(RUN, np.float64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        add_up(a, b, outer, start, PRODUCTS, scratch[:n], total[:n])
        for i in range(n):
            y[outer, start + i] = total[i]


@kernel(items=lambda dy, dx, factor: dx.shape[0] * dx.shape[1], flops=1)
@jit
def spread_columns(begin, end, dy, dx, factor):
    """dx (outer, K, inner) = factor * dy (outer, inner) for each of K.  Item: inner numbers."""
    K, f = dx.shape[1], np.float32(factor)
    for item in range(begin, end):
        gradient, out = dy[item // K], dx[item // K, item % K]
        for i in range(out.size):
            out[i] = f * gradient[i]


@kernel(items=lambda x, *_: x.shape[0] * x.shape[1], flops=1)
@jit
def spread_columns_by(begin, end, x, dy, dx, factor, sign):
    """dx (outer, K, inner) = factor * dy (outer, inner) * x, or the sign of x.  Item: inner numbers."""
    K, f = dx.shape[1], np.float32(factor)
    for item in range(begin, end):
        source, gradient, out = x[item // K, item % K], dy[item // K], dx[item // K, item % K]
        if sign:
            for i in range(out.size):
                out[i] = f * gradient[i] * np.sign(source[i])
        else:
            for i in range(out.size):
                out[i] = f * gradient[i] * source[i]
