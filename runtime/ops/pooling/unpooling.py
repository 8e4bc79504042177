"""Values put back where a maximum was found (upsample_layer.cpp of SegNet's Caffe).

Arrays are x (C, H, W, N) and y (C, OH, OW, N); positions, of x's shape, are row * OW + column in y, -1 of no element.
"""

from __future__ import annotations

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.registry import kernel

ZERO = np.float32(0)


@inner
def place_of(position, size):
    """A position as an index, -1 of none, checked so that nothing outside is read or written.

    Raises
    ------
    NetdefError: it lies outside.
    """
    if not (position >= -1 and position < size):
        raise NetdefError("a position of Upsample's second bottom lies outside its top, which is as large as the bottom of Pooling")
    return np.int64(position)


@kernel(items=lambda x, positions, y, apart: x.shape[0], flops=0)
@jit
def unpool_forward(begin, end, x, positions, y, apart):
    """y = x at the positions, 0 elsewhere; of several x of one position the last.  Item: a channel.

    apart: no two have one position, which lets cards write them at once.
    """
    _, H, W, N = x.shape
    _, OH, OW, _ = y.shape
    for c in range(begin, end):
        y[c] = ZERO
        for h in range(H):
            for w in range(W):
                for n in range(N):
                    at = place_of(positions[c, h, w, n], OH * OW)
                    if at >= 0:
                        y[c, at // OW, at % OW, n] = x[c, h, w, n]


@kernel(items=lambda dy, positions, dx: dx.shape[0], flops=0, moved=lambda dy, positions, dx: 3 * dx.bytes)
@jit
def unpool_backward(begin, end, dy, positions, dx):
    """dx = dy at the positions.  Item: a channel."""
    _, H, W, N = dx.shape
    _, OH, OW, _ = dy.shape
    for c in range(begin, end):
        for h in range(H):
            for w in range(W):
                for n in range(N):
                    at = place_of(positions[c, h, w, n], OH * OW)
                    dx[c, h, w, n] = dy[c, at // OW, at % OW, n] if at >= 0 else ZERO
