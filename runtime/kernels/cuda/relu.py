"""Launches of relu.cu.  All arrays are flat."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import flat
from runtime.kernels.cuda.registry import Launch, Operand, plans

FILE = "relu.cu"


@plans
def relu_forward(x: Operand, y: Operand, slope: float) -> Launch:
    return flat(FILE, "relu_forward", (x, y), np.float32(slope))


@plans
def relu_backward(dy: Operand, sign: Operand, dx: Operand, slope: float) -> Launch:
    return flat(FILE, "relu_backward", (dy, sign, dx), np.float32(slope))
