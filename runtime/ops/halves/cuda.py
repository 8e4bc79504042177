"""Launches of halves.cu: numbers in 16 bits, and how far from the numbers they were made of.  All arrays are flat."""

from __future__ import annotations

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cuda.grids import THREADS, flat, name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand

FILE = "halves.cu"


@plans
def round_bf16(x: Operand, y: Operand) -> Launch:
    return flat(FILE, "round_bf16", (x, y))


@plans
def round_fp16(x: Operand, y: Operand) -> Launch:
    return flat(FILE, "round_fp16", (x, y))


@plans
def widen_from_bf16(x: Operand, y: Operand) -> Launch:
    return flat(FILE, "widen_from_bf16", (x, y))


@plans
def widen_from_fp16(x: Operand, y: Operand) -> Launch:
    return flat(FILE, "widen_from_fp16", (x, y))


@plans
def rounding_error(x: Operand, rounded: Operand, partials: Operand, fp16: bool) -> Launch:
    function = name("rounding_error", width(x, rounded), ELEMENTS, fp16)
    return Launch(FILE, function, (partials.shape[0], 1, 1), (THREADS, 1, 1), (0, 1, 2), (np.int64(x.size),))
