"""Launches of embed.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand

FILE = "embed.cu"
SHARES = 64  # of the table's rows: enough threads to fill a card with a table of some hundred columns


@plans
def embed(x: Operand, w: Operand, b: Operand, y: Operand, has_bias: bool) -> Launch:
    A, D, N = y.shape
    wide = width(x, y, run=N)
    scalars = np.int64(A), np.int32(w.shape[0]), np.int32(D), np.int64(N // wide)
    grid = (blocks(y.size // wide), 1, 1)
    return Launch(FILE, name("embed", wide, has_bias), grid, (THREADS, 1, 1), (0, 1, 2, 3), scalars)


@plans
def embed_gradient(x: Operand, dy: Operand, dw: Operand) -> Launch:
    A, D, N = dy.shape
    wide = width(dw, run=D)
    scalars = np.int64(A), np.int32(dw.shape[0]), np.int32(D // wide), np.int64(N)
    grid = (blocks(D // wide * SHARES), 1, 1)
    return Launch(FILE, name("embed_gradient", wide, SHARES), grid, (THREADS, 1, 1), (0, 1, 2), scalars)
