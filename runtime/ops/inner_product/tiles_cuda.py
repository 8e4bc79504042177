"""Launches of inner_product.cu: products of a matrix of weights and each image's numbers.

They are for the modes that cuBLAS lacks.  All tiles have one height: weights are read once, which takes longer than the products.
"""

from __future__ import annotations

from math import prod

import numpy as np

from runtime.ir.program import NARROW
from runtime.kernels.cuda.grids import THREADS, blocks, ints, name, stored
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Launch, Plan
from runtime.kernels.operand import Operand, Pointer, Workspace
from runtime.ops.convolution.implicit_cuda import COLUMNS, DEPTH, MODES, TILE_THREADS, splits_of

FILE = "inner_product.cu"
HEIGHT = 64  # rows of the result in a tile
OWN = ("3xtf32", "bf16")  # modes of which cuBLAS lacks the products, or the mixed types of their factors


def fits(x: Operand, w: Operand, y: Operand, target: Target) -> bool:
    """Whether y = w . x is made in tiles on such a card: in a mode of our own, and with at least half of the columns in use."""
    N, narrow = x.shape[2], NARROW in (x.dtype, y.dtype)
    if target.conv != "tiles" or N % 4 or not all(operand.fits(4) for operand in (x, y)):
        return False
    most = max(w.size, *(prod(operand.shape[1:]) for operand in (x, y)))
    return most < 1 << 31 and target.math in OWN and (narrow or COLUMNS * blocks(N, COLUMNS) <= 2 * N)


def product(
    x: Operand, w: Operand, y: Operand, pointers: tuple[Pointer, ...], turned: bool, target: Target,
    has_bias: bool = False, relu: bool = False, slope: float = 0.0,
) -> Plan:  # fmt: skip
    """y (A, M, N) = w . x (A, K, N), with bias and ReLU.

    Parameters
    ----------
    pointers: x, w, bias (w where there is none), y.
    turned: whether w is stored as (K, M).
    """
    (A, K, N), M = x.shape, y.shape[1]
    row_tiles, column_tiles = blocks(M, HEIGHT), blocks(N, COLUMNS)
    splits = splits_of(A * row_tiles * column_tiles, K, target, 4 * y.size)
    share = blocks(K, splits * DEPTH) * DEPTH
    splits = blocks(K, share)
    alone, whole = splits == 1, w.fits(4) and w.shape[1] % 4 == 0
    made = y if alone else Operand((splits * A, M, N))
    after: tuple[np.generic, ...] = (*ints(has_bias, relu), np.float32(slope))
    nothing: tuple[np.generic, ...] = (*ints(0, 0), np.float32(0))
    epilogue = after if alone else nothing
    scalars = (*ints(A, M, N, K, row_tiles, column_tiles, share, whole), *epilogue)
    bias = 4 * M * has_bias
    work = x.bytes + w.bytes + made.bytes + bias * alone, y.size * (has_bias + relu) * alone
    function = name("product_tiles", MODES[target.math], HEIGHT, turned, *stored(x, made))
    grid, products = (row_tiles * column_tiles * A * splits, 1, 1), 2 * A * M * K * N
    given = pointers if alone else (*pointers[:3], Workspace())
    launch = Launch(FILE, function, grid, (TILE_THREADS, 1, 1), given, scalars, work, products)
    if alone:
        return Plan((launch,))
    packs, work = y.size // 4, (made.bytes + y.bytes + bias, y.size * (splits - 1 + has_bias + relu))
    numbers: tuple[np.generic, ...] = (np.int64(packs), *ints(splits, M, N // 4), *after)
    sums = name("sum_products", 4, *stored(y))
    total = Launch(FILE, sums, (blocks(packs), 1, 1), (THREADS, 1, 1), (Workspace(), *pointers[2:]), numbers, work)
    return Plan((launch, total), made.bytes)
