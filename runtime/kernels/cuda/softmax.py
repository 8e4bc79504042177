"""Launches of softmax.cu.  Arrays are (outer, C, inner)."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import blocks, rows
from runtime.kernels.cuda.registry import Extent, Launch, Operand, plans

FILE = "softmax.cu"
LANES, SLICES = 32, 16  # reduce.cuh's
BLOCK: Extent = (LANES, SLICES, 1)


def grid(outer: int, inner: int) -> Extent:
    """Blocks of LANES inner positions."""
    return blocks(inner, LANES), rows(outer), 1


def extents(x: Operand) -> tuple[np.generic, ...]:
    outer, C, inner = x.shape
    return np.int64(outer), np.int32(C), np.int64(inner)


@plans
def softmax_forward(x: Operand, y: Operand) -> Launch:
    return Launch(FILE, "softmax_forward", grid(x.shape[0], x.shape[2]), BLOCK, (0, 1), extents(x))


@plans
def softmax_backward(dy: Operand, y: Operand, dx: Operand) -> Launch:
    return Launch(FILE, "softmax_backward", grid(y.shape[0], y.shape[2]), BLOCK, (0, 1, 2), extents(y))
