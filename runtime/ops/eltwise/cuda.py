"""Launches of eltwise.cu.  All arrays are flat."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import flat
from runtime.kernels.cuda.registry import Launch, narrows, plans
from runtime.kernels.operand import Operand

FILE = "eltwise.cu"


@plans
def maximum_pair(a: Operand, b: Operand, y: Operand, winner: Operand) -> Launch:
    return flat(FILE, "maximum_pair", (a, b, y, winner), typed=(0, 1, 2))


@plans
def maximum_next(y_before: Operand, x: Operand, winner_before: Operand, y: Operand, winner: Operand, index: int) -> Launch:
    return flat(FILE, "maximum_next", (y_before, x, winner_before, y, winner), np.int32(index), typed=(0, 1, 3))


@plans
def maximum_backward(dy: Operand, winner: Operand, dx: Operand, index: int) -> Launch:
    return flat(FILE, "maximum_backward", (dy, winner, dx), np.int32(index), typed=(0, 2))


narrows("maximum_pair", 0, 1, 2)
narrows("maximum_next", 0, 1, 3)
narrows("maximum_backward", 0, 2)
