"""The logistic function.  All arrays are flat."""

from __future__ import annotations

from numba import njit

from runtime.kernels.cpu.exponential import ONE, exponential
from runtime.kernels.cpu.jit import BLOCK, JIT, blocks
from runtime.kernels.registry import kernel


@kernel(items=lambda x, y: blocks(y.size))
@njit(**JIT)
def sigmoid_forward(begin, end, x, y):
    """y = 1 / (1 + exp(-x))."""
    for item in range(begin, end):
        source = x[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = ONE / (ONE + exponential(-source[i]))


@kernel(items=lambda dy, y, dx: blocks(dx.size))
@njit(**JIT)
def sigmoid_backward(begin, end, dy, y, dx):
    """dx = dy * y * (1 - y)."""
    for item in range(begin, end):
        gradient = dy[item * BLOCK : (item + 1) * BLOCK]
        value = y[item * BLOCK : (item + 1) * BLOCK]
        out = dx[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = gradient[i] * value[i] * (ONE - value[i])
