"""Copies.  All arrays are flat; an item is one BLOCK of them."""

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
