"""Launches of concat.cu and reshape.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, name, table, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand


def columns(function: str, arrays: tuple[Operand, Operand], part: Operand, whole: Operand, offset: int) -> Launch:
    """Copy between `part` (rows, columns) and its place in `whole`."""
    count, length = part.shape
    wide = width(*arrays, run=length)
    if whole.shape[1] % wide or offset % wide:
        wide = 1
    grid, block = table(count, length // wide)
    scalars = (count, length // wide, whole.shape[1] // wide, offset // wide)
    return Launch("concat.cu", name(function, wide), grid, block, (0, 1), tuple(np.int64(scalar) for scalar in scalars))


@plans
def join_columns(x: Operand, y: Operand, offset: int) -> Launch:
    return columns("join_columns", (x, y), x, y, offset)


@plans
def take_columns(x: Operand, y: Operand, offset: int) -> Launch:
    return columns("take_columns", (x, y), y, x, offset)


@plans
def rebatch(x: Operand, y: Operand) -> Launch:
    fresh, images = y.shape
    wide = width(y, run=images)
    scalars = tuple(np.int64(number) for number in (*x.shape, fresh, images // wide))
    return Launch("reshape.cu", name("rebatch", wide), (blocks(y.size // wide), 1, 1), (THREADS, 1, 1), (0, 1), scalars)
