"""Parts of rows, joined and taken; and a batch cut anew, for shapes that mix it with other axes."""

from __future__ import annotations

from numba import njit

from runtime.kernels.cpu.jit import JIT
from runtime.kernels.cpu.registry import kernel


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


@kernel(items=lambda x, y: y.shape[0])
@njit(**JIT)
def rebatch(begin, end, x, y):
    """x (per image, N) -> y (per image', N'): the same numbers in the order that users see, N first, cut into N' images."""
    old, _ = x.shape
    new, N = y.shape
    for row in range(begin, end):
        for n in range(N):
            at = n * new + row
            y[row, n] = x[at % old, at // old]
