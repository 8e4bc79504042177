"""Launches of arithmetic.cu: copies.  All arrays are flat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from runtime.kernels.cuda.grids import flat
from runtime.kernels.cuda.registry import Launch, narrows, plans
from runtime.kernels.operand import Operand

FILE = "arithmetic.cu"


@plans
def fill(y: Operand, value: float) -> Launch:
    return flat(FILE, "fill", (y,), np.float32(value))


@plans
def constant(y: Operand, values: Any) -> Launch:
    flat_copy = flat(FILE, "copy", (replace(y, shape=(y.size,)),))
    return replace(flat_copy, pointers=("values", 0))


@plans
def copy(x: Operand, y: Operand) -> Launch:
    return flat(FILE, "copy", (x, y))


narrows("fill", 0)
narrows("copy", 0, 1)
