"""Launches of arithmetic.cu: copies, sums and products.  All arrays are flat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from runtime.kernels.cuda.grids import flat
from runtime.kernels.cuda.registry import Launch, plans
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


@plans
def scale(x: Operand, y: Operand, factor: float) -> Launch:
    return flat(FILE, "scale", (x, y), np.float32(factor))


@plans
def add(a: Operand, b: Operand, y: Operand) -> Launch:
    return flat(FILE, "add", (a, b, y))


@plans
def scaled_add(a: Operand, b: Operand, y: Operand, factor_a: float, factor_b: float) -> Launch:
    return flat(FILE, "scaled_add", (a, b, y), np.float32(factor_a), np.float32(factor_b))


@plans
def multiply(a: Operand, b: Operand, y: Operand) -> Launch:
    return flat(FILE, "multiply", (a, b, y))
