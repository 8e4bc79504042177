"""ReLU with a slope below zero (Nair & Hinton 2010; Maas et al. 2013).  All arrays are flat."""

from __future__ import annotations

import numpy as np
from numba import njit

from runtime.kernels.cpu.jit import BLOCK, JIT, blocks
from runtime.kernels.registry import kernel


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
