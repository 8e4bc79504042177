"""Functions of one element: logistic, hyperbolic tangent, ReLU with a slope below zero.  All arrays are flat."""

from __future__ import annotations

import numpy as np
from numba import njit

from runtime.kernels.cpu.exponential import ONE, exponential
from runtime.kernels.cpu.jit import BLOCK, JIT, blocks
from runtime.kernels.cpu.registry import kernel

TWO = np.float32(2)
SMALL = np.float32(0.25)  # below, 1 - 2 / (e^2x + 1) would lose digits, and four terms of the series are exact
SERIES = np.float32(-1 / 3), np.float32(2 / 15), np.float32(-17 / 315), np.float32(62 / 2835)


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


@kernel(items=lambda x, y: blocks(y.size))
@njit(**JIT)
def tanh_forward(begin, end, x, y):
    """y = tanh(x)."""
    c3, c5, c7, c9 = SERIES
    for item in range(begin, end):
        source = x[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            v = source[i]
            square = v * v
            series = v + v * square * (c3 + square * (c5 + square * (c7 + square * c9)))
            closed = ONE - TWO / (exponential(v + v) + ONE)
            out[i] = series if abs(v) < SMALL else closed


@kernel(items=lambda dy, y, dx: blocks(dx.size))
@njit(**JIT)
def tanh_backward(begin, end, dy, y, dx):
    """dx = dy * (1 - y ** 2)."""
    for item in range(begin, end):
        gradient = dy[item * BLOCK : (item + 1) * BLOCK]
        value = y[item * BLOCK : (item + 1) * BLOCK]
        out = dx[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = gradient[i] * (ONE - value[i] * value[i])


@kernel(items=lambda x, y, slope: blocks(y.size))
@njit(**JIT)
def relu_forward(begin, end, x, y, slope):
    """y = x above zero, slope * x below.  A NaN stays one."""
    s = np.float32(slope)
    for item in range(begin, end):
        source = x[item * BLOCK : (item + 1) * BLOCK]
        out = y[item * BLOCK : (item + 1) * BLOCK]
        if slope == 0:
            for i in range(out.size):
                v = source[i]
                out[i] = v if not (v < 0) else np.float32(0)
        else:
            for i in range(out.size):
                v = source[i]
                out[i] = v if not (v < 0) else s * v


@kernel(items=lambda dy, sign, dx, slope: blocks(dx.size))
@njit(**JIT)
def relu_backward(begin, end, dy, sign, dx, slope):
    """dx = dy where sign > 0, slope * dy elsewhere.  `sign` is x, or y, whose sign is the same while slope >= 0."""
    s = np.float32(slope)
    for item in range(begin, end):
        gradient = dy[item * BLOCK : (item + 1) * BLOCK]
        source = sign[item * BLOCK : (item + 1) * BLOCK]
        out = dx[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            g = gradient[i]
            out[i] = g if source[i] > 0 else s * g
