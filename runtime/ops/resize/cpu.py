"""Images of another size, by linear interpolation between pixels whose corners stay corners (interp.cpp of PSPNet's Caffe)."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.registry import kernel

ZERO, ONE = np.float32(0), np.float32(1)


@inner
def between(index, rate, size):
    """(lower pixel, upper pixel, weight of the lower, of the upper) of an output's row or column."""
    at = np.float32(index) * rate
    low = min(np.int64(at), size - 1)
    upper = at - np.float32(low)
    return low, min(low + 1, size - 1), ONE - upper, upper


@inner
def rate_of(size, outputs):
    """Pixels from one output to the next."""
    return np.float32(size - 1) / np.float32(outputs - 1) if outputs > 1 else ZERO


@kernel(items=lambda x, y, *_: y.shape[0] * y.shape[1], flops=8)
@jit
def interp_forward(begin, end, x, y, first, size):
    """y (C, OH, OW, N) from the window of x (C, H, W, N) of this size that starts at row and column `first`.  Item: a row."""
    _, OH, OW, N = y.shape
    down, across = rate_of(size[0], OH), rate_of(size[1], OW)
    for item in range(begin, end):
        c, oh = item // OH, item % OH
        h0, h1, a0, a1 = between(oh, down, size[0])
        for ow in range(OW):
            w0, w1, b0, b1 = between(ow, across, size[1])
            upper, lower = x[c, first + h0], x[c, first + h1]
            for n in range(N):
                above = b0 * upper[first + w0, n] + b1 * upper[first + w1, n]
                below = b0 * lower[first + w0, n] + b1 * lower[first + w1, n]
                y[c, oh, ow, n] = a0 * above + a1 * below


@kernel(items=lambda dy, dx, *_: dx.shape[0], flops=8)
@jit
def interp_backward(begin, end, dy, dx, first, size):
    """dx = each output's gradient by the weights of its pixels; 0 outside of the window.  Item: a channel."""
    _, OH, OW, N = dy.shape
    down, across = rate_of(size[0], OH), rate_of(size[1], OW)
    for c in range(begin, end):
        dx[c] = ZERO
        for oh in range(OH):
            h0, h1, a0, a1 = between(oh, down, size[0])
            upper, lower = dx[c, first + h0], dx[c, first + h1]
            for ow in range(OW):
                w0, w1, b0, b1 = between(ow, across, size[1])
                for n in range(N):
                    gradient = dy[c, oh, ow, n]
                    upper[first + w0, n] += a0 * b0 * gradient
                    upper[first + w1, n] += a0 * b1 * gradient
                    lower[first + w0, n] += a1 * b0 * gradient
                    lower[first + w1, n] += a1 * b1 * gradient
