"""Copies, sums and products.  All arrays are flat; an item is one BLOCK of them."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import BLOCK, blocks, jit
from runtime.kernels.cpu.registry import kernel


@kernel(items=lambda y, value: blocks(y.size), flops=0)
@jit
def fill(begin, end, y, value):
    """y = value."""
    v = np.float32(value)
    for item in range(begin, end):
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = v


@kernel(items=lambda y, values: 1, flops=0, moved=lambda y, values: 2 * y.bytes)
def constant(begin, end, y, values):
    """y = values, an array of the same shape."""
    y[...] = values


@kernel(items=lambda x, y: blocks(y.size), flops=0)
@jit
def copy(begin, end, x, y):
    """y = x."""
    for item in range(begin, end):
        source = x[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = source[i]


@kernel(items=lambda x, y, factor: blocks(y.size), flops=1)
@jit
def scale(begin, end, x, y, factor):
    """y = factor * x."""
    f = np.float32(factor)
    for item in range(begin, end):
        source = x[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = f * source[i]


@kernel(items=lambda a, b, y: blocks(y.size), flops=1)
@jit
def add(begin, end, a, b, y):
    """y = a + b."""
    for item in range(begin, end):
        left = a[item * BLOCK : (item + 1) * BLOCK]
        right = b[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = left[i] + right[i]


@kernel(items=lambda a, b, y, factor_a, factor_b: blocks(y.size), flops=3)
@jit
def scaled_add(begin, end, a, b, y, factor_a, factor_b):
    """y = factor_a * a + factor_b * b."""
    fa, fb = np.float32(factor_a), np.float32(factor_b)
    for item in range(begin, end):
        left = a[item * BLOCK : (item + 1) * BLOCK]
        right = b[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = fa * left[i] + fb * right[i]


@kernel(items=lambda a, b, y: blocks(y.size), flops=1)
@jit
def multiply(begin, end, a, b, y):
    """y = a * b."""
    for item in range(begin, end):
        left = a[item * BLOCK : (item + 1) * BLOCK]
        right = b[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = left[i] * right[i]
