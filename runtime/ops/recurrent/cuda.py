"""Launches of recurrent.cu: a thread to each pack of streams of a state."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand


def states(function: str, *arrays: Operand) -> Launch:
    """A kernel over the rows and packs of its first array."""
    rows, N = arrays[0].shape
    wide = width(*arrays, run=N)
    scalars, grid = (np.int64(rows), np.int64(N // wide)), (blocks(rows * N // wide), 1, 1)
    return Launch("recurrent.cu", name(function, wide), grid, (THREADS, 1, 1), tuple(range(len(arrays))), scalars)


@plans
def lstm_unit(before: Operand, gates: Operand, cont: Operand, cell: Operand, hidden: Operand) -> Launch:
    return states("lstm_unit", before, gates, cont, cell, hidden)


@plans
def lstm_unit_backward(
    before: Operand, gates: Operand, cont: Operand, cell: Operand, dcell: Operand, dhidden: Operand, dbefore: Operand,
    dgates: Operand,
) -> Launch:  # fmt: skip
    return states("lstm_unit_backward", before, gates, cont, cell, dcell, dhidden, dbefore, dgates)
