"""Launches of reshape.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks
from runtime.kernels.cuda.registry import Launch, Operand, plans


@plans
def rebatch(x: Operand, y: Operand) -> Launch:
    scalars = tuple(np.int64(number) for number in (y.size, *x.shape, *y.shape))
    return Launch("reshape.cu", "rebatch", (blocks(y.size), 1, 1), (THREADS, 1, 1), (0, 1), scalars)
