"""A batch cut anew, for shapes that mix it with other axes."""

from __future__ import annotations

from numba import njit

from runtime.kernels.cpu.jit import JIT
from runtime.kernels.registry import kernel


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
