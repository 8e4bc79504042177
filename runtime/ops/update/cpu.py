"""Stochastic gradient descent with momentum, as Caffe's sgd_solver.cpp updates.  All arrays are flat."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from runtime.kernels.cpu.jit import BLOCK, JIT, blocks
from runtime.kernels.cpu.registry import kernel


@kernel(items=lambda weight, gradient, history, *_: blocks(weight.size))
@njit(**JIT)
def sgd_update(begin, end, weight, gradient, history, rate, scale, lr_mult, decay, momentum, l1):
    """history = rate * lr_mult * (scale * gradient + decay * weight) + momentum * history; weight -= history.

    rate, scale (1,); with l1 the decay takes the weight's sign instead of the weight.  In one pass; weight and history are both
    inputs and outputs.
    """
    local_rate, s = np.float32(rate[0] * np.float32(lr_mult)), scale[0]
    d, m = np.float32(decay), np.float32(momentum)
    for item in range(begin, end):
        w = weight[item * BLOCK : (item + 1) * BLOCK]
        g = gradient[item * BLOCK : (item + 1) * BLOCK]
        h = history[item * BLOCK : (item + 1) * BLOCK]
        if l1:
            for i in range(w.size):
                sign = np.float32(w[i] > 0) - np.float32(w[i] < 0)
                h[i] = local_rate * (s * g[i] + d * sign) + m * h[i]
                w[i] -= h[i]
        else:
            for i in range(w.size):
                h[i] = local_rate * (s * g[i] + d * w[i]) + m * h[i]
                w[i] -= h[i]


@kernel(items=lambda gradient, added, total: blocks(total.size))
@njit(**JIT)
def accumulate(begin, end, gradient, added, total):
    """total += gradient, or total = gradient where `added` (1,), how many it holds already, is 0."""
    first = added[0] == 0
    for item in range(begin, end):
        g = gradient[item * BLOCK : (item + 1) * BLOCK]
        t = total[item * BLOCK : (item + 1) * BLOCK]
        if first:
            for i in range(t.size):
                t[i] = g[i]
        else:
            for i in range(t.size):
                t[i] += g[i]


@kernel(items=lambda x, partials: blocks(x.size))
@njit(**JIT)
def sum_of_squares(begin, end, x, partials):
    """partials[b] (float64) = the sum of x ** 2 over block b."""
    for item in range(begin, end):
        source = x[item * BLOCK : (item + 1) * BLOCK]
        total = 0.0
        for i in range(source.size):
            v = np.float64(source[i])
            total += v * v
        partials[item] = total


@kernel(items=lambda squares, out, clip, scale: 1)
@njit(**JIT)
def clip_scale(begin, end, squares, out, clip, scale):
    """out (1,) = scale, times clip / norm where norm = sqrt(sum of squares) is larger than clip (Caffe's clip_gradients)."""
    for _ in range(begin, end):
        total = 0.0
        for i in range(squares.size):
            total += squares[i]
        norm = math.sqrt(total)
        out[0] = scale * clip / norm if norm > clip else scale
