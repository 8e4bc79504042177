"""Launches of softmax.cu.  Arrays are (outer, C, inner)."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import blocks, name, rows, width
from runtime.kernels.cuda.registry import Extent, Launch, plans
from runtime.kernels.operand import Operand

FILE = "softmax.cu"
SLICED = 512  # slices.cuh's
MOST, LEAST = 128, 4  # threads that share a column, and elements that each of them has at least


def slices(C: int) -> int:
    """How many threads share a column of C elements, a power of two: with more of them, the columns fill more blocks."""
    return min(MOST, 1 << max(C // LEAST, 1).bit_length() - 1)


def sliced(C: int, outer: int, packs: int) -> tuple[Extent, Extent]:
    """Grid and block over the packs of neighbouring columns."""
    lanes = SLICED // slices(C)
    return (blocks(packs, lanes), rows(outer), 1), (lanes, slices(C), 1)


def along(function: str, *arrays: Operand) -> Launch:
    outer, C, inner = arrays[0].shape
    wide = width(*arrays, run=inner)
    scalars = np.int64(outer), np.int32(C), np.int64(inner // wide)
    return Launch(FILE, name(function, wide, slices(C)), *sliced(C, outer, inner // wide), tuple(range(len(arrays))), scalars)


@plans
def softmax_forward(x: Operand, y: Operand) -> Launch:
    return along("softmax_forward", x, y)


@plans
def softmax_backward(dy: Operand, y: Operand, dx: Operand) -> Launch:
    return along("softmax_backward", dy, y, dx)
