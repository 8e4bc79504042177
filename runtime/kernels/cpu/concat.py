"""Parts of rows, joined and taken."""

from __future__ import annotations

from numba import njit

from runtime.kernels.cpu.jit import JIT
from runtime.kernels.registry import kernel


@kernel(items=lambda x, y, offset: y.shape[0])
@njit(**JIT)
def join_columns(begin, end, x, y, offset):
    """y[:, offset : offset + columns of x] = x; the other columns of y are other instructions'."""
    for row in range(begin, end):
        source, out = x[row], y[row, offset : offset + x.shape[1]]
        for i in range(out.size):
            out[i] = source[i]


@kernel(items=lambda x, y, offset: y.shape[0])
@njit(**JIT)
def take_columns(begin, end, x, y, offset):
    """y = x[:, offset : offset + columns of y]."""
    for row in range(begin, end):
        source, out = x[row, offset : offset + y.shape[1]], y[row]
        for i in range(out.size):
            out[i] = source[i]
