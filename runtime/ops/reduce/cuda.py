"""Launches of reduce.cu.  Arrays are (outer, K, inner)."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import elements, name, table, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand
from runtime.ops.softmax.cuda import sliced, slices

FILE = "reduce.cu"


@plans
def reduce_columns(x: Operand, y: Operand, operation: int, factor: float) -> Launch:
    outer, K, inner = x.shape
    wide = width(x, y, run=inner)
    scalars = np.int64(outer), np.int64(K), np.int64(inner // wide), np.float64(factor)
    return Launch(FILE, name("reduce_columns", wide, slices(K), operation), *sliced(K, outer, inner // wide), (0, 1), scalars)


@plans
def product_columns(a: Operand, b: Operand, y: Operand) -> Launch:
    outer, K, inner = a.shape
    wide = width(a, b, y, run=inner)
    scalars = np.int64(outer), np.int64(K), np.int64(inner // wide)
    return Launch(FILE, name("product_columns", wide, slices(K)), *sliced(K, outer, inner // wide), (0, 1, 2), scalars)


@plans
def spread_columns(dy: Operand, dx: Operand, factor: float) -> Launch:
    outer, K, inner = dx.shape
    wide = width(dy, dx, run=inner)
    grid, block = table(elements(outer, K), inner // wide)
    scalars = np.int64(outer * K), np.int64(K), np.int64(inner // wide), np.float32(factor)
    return Launch(FILE, name("spread_columns", wide), grid, block, (0, 1), scalars)


@plans
def spread_columns_by(x: Operand, dy: Operand, dx: Operand, factor: float, sign: bool) -> Launch:
    outer, K, inner = dx.shape
    wide = width(x, dy, dx, run=inner)
    grid, block = table(elements(outer, K), inner // wide)
    scalars = np.int64(outer * K), np.int64(K), np.int64(inner // wide), np.float32(factor)
    return Launch(FILE, name("spread_columns_by", wide, sign), grid, block, (0, 1, 2), scalars)
