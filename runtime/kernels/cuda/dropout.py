"""Launches of dropout.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, name, width
from runtime.kernels.cuda.registry import Launch, Operand, plans

PER_THREAD = 4  # elements: the words that Philox makes at once


@plans
def dropout(x: Operand, iteration: Operand, y: Operand, key: tuple[int, int], threshold: int, factor: float) -> Launch:
    grid = (blocks(-(-y.size // PER_THREAD)), 1, 1)
    scalars = np.int64(y.size), np.uint32(key[0]), np.uint32(key[1]), np.uint32(threshold), np.float32(factor)
    return Launch("dropout.cu", name("dropout", width(x, y)), grid, (THREADS, 1, 1), (0, 1, 2), scalars)
