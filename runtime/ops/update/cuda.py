"""Launches of sgd.cu.  All arrays are flat."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import BLOCK
from runtime.kernels.cuda.grids import THREADS, blocks, flat, name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand

FILE = "sgd.cu"


@plans
def sgd_update(
    weight: Operand, gradient: Operand, history: Operand, rate: Operand, scale: Operand, lr_mult: float, decay: float,
    momentum: float, l1: bool,
) -> Launch:  # fmt: skip
    wide = width(weight, gradient, history)
    grid = (blocks(weight.size // wide + weight.size % wide), 1, 1)
    scalars = np.int64(weight.size), np.float32(lr_mult), np.float32(decay), np.float32(momentum)
    return Launch(FILE, name("sgd_update", wide, l1), grid, (THREADS, 1, 1), (0, 1, 2, 3, 4), scalars)


@plans
def accumulate(gradient: Operand, added: Operand, total: Operand) -> Launch:
    return flat(FILE, "accumulate", (gradient, added, total))


@plans
def sum_of_squares(x: Operand, partials: Operand) -> Launch:
    scalars = (np.int64(x.size),)
    return Launch(FILE, name("sum_of_squares", width(x), BLOCK), (partials.size, 1, 1), (THREADS, 1, 1), (0, 1), scalars)


@plans
def clip_scale(squares: Operand, out: Operand, clip: float, scale: float) -> Launch:
    scalars = np.int64(squares.size), np.float64(clip), np.float64(scale)
    wide = 2 if squares.fits(2) else 1  # doubles in 16 bytes
    return Launch(FILE, name("clip_scale", wide), (1, 1, 1), (THREADS, 1, 1), (0, 1), scalars)
