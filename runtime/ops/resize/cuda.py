"""Launches of interp.cu."""

from __future__ import annotations

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand

FILE = "interp.cu"
Pair = tuple[int, int]


def resize(function: str, over: Operand, x: Operand, y: Operand, arrays: tuple[Operand, Operand], first: int, size: Pair) -> Launch:
    """A thread for each pack of images at each position of `over`."""
    C, height, across, N = over.shape
    wide = width(*arrays, run=N)
    grid = (blocks(elements(height, across, N // wide)), rows(C), 1)
    scalars = ints(C, *x.shape[1:3], *y.shape[1:3], N // wide, first, *size)
    return Launch(FILE, name(function, wide), grid, (THREADS, 1, 1), (0, 1), scalars)


@plans
def interp_forward(x: Operand, y: Operand, first: int, size: Pair) -> Launch:
    return resize("interp_forward", y, x, y, (x, y), first, size)


@plans
def interp_backward(dy: Operand, dx: Operand, first: int, size: Pair) -> Launch:
    return resize("interp_backward", dx, dx, dy, (dy, dx), first, size)
