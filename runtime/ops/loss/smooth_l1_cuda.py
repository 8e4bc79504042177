"""Launches of smooth_l1.cu."""

from __future__ import annotations

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cuda.grids import THREADS, blocks, name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand

FILE = "smooth_l1.cu"


@plans
def smooth_l1_terms(
    a: Operand, b: Operand, inside: Operand, outside: Operand, partials: Operand, square: float, has_inside: bool,
    has_outside: bool,
) -> Launch:  # fmt: skip
    function = name("smooth_l1_terms", width(a, b, inside, outside), ELEMENTS, has_inside, has_outside)
    scalars = np.int64(a.size), np.float32(square)
    return Launch(FILE, function, (partials.shape[0], 1, 1), (THREADS, 1, 1), tuple(range(5)), scalars)


@plans
def smooth_l1_backward(
    a: Operand, b: Operand, inside: Operand, outside: Operand, dloss: Operand, normalizer: Operand, dx: Operand, square: float,
    has_inside: bool, has_outside: bool, sign: float,
) -> Launch:  # fmt: skip
    wide, size = width(a, b, inside, outside, dx), a.size
    function = name("smooth_l1_backward", wide, has_inside, has_outside)
    scalars = np.int64(size), np.float32(square), np.float32(sign)
    return Launch(FILE, function, (blocks(size // wide + size % wide), 1, 1), (THREADS, 1, 1), tuple(range(7)), scalars)
