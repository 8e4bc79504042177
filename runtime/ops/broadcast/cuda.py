"""Launches of broadcast.cu."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cuda.grids import THREADS, elements, name, rows, stored, table, width
from runtime.kernels.cuda.registry import Launch, narrows, plans
from runtime.kernels.operand import Operand

FILE = "broadcast.cu"
FEW = 64  # broadcast.cu's


def over_runs(function: str, arrays: Sequence[Operand], packed: Sequence[Operand]) -> Launch:
    """A kernel over the last axis of arrays (outer, middle, run).  packed: those that it moves in packs."""
    outer, middle, run = arrays[0].shape
    wide = width(*packed, run=run)
    grid, block = table(elements(outer, middle), run // wide)
    scalars = np.int32(middle), np.int64(outer * middle), np.int64(run // wide)
    return Launch(FILE, name(function, wide, *stored(*packed)), grid, block, tuple(range(len(arrays))), scalars)


def by_rows(function: str, *arrays: Operand) -> Launch:
    """A kernel over the rows of arrays (A, D, R), between which are numbers for each of D."""
    return over_runs(function, arrays, (arrays[0], arrays[-1]))


@plans
def scale_rows(x: Operand, factor: Operand, y: Operand) -> Launch:
    return by_rows("scale_rows", x, factor, y)


@plans
def add_rows(x: Operand, bias: Operand, y: Operand) -> Launch:
    return by_rows("add_rows", x, bias, y)


@plans
def scale_add_rows(x: Operand, factor: Operand, bias: Operand, y: Operand) -> Launch:
    return by_rows("scale_add_rows", x, factor, bias, y)


def by_columns(function: str, *arrays: Operand) -> Launch:
    """A kernel over the rows of arrays (D, R, N), between which are (D, N)."""
    return over_runs(function, arrays, arrays)


@plans
def scale_columns(x: Operand, factor: Operand, y: Operand) -> Launch:
    return by_columns("scale_columns", x, factor, y)


@plans
def add_columns(x: Operand, bias: Operand, y: Operand) -> Launch:
    return by_columns("add_columns", x, bias, y)


def prelu(function: str, *arrays: Operand) -> Launch:
    """A kernel over the rows of arrays (D, R); the slopes come before the last of them."""
    D, R = arrays[0].shape
    wide = width(*arrays, run=R)
    grid, block = table(D, R // wide)
    pointers = tuple(range(len(arrays) + 1))
    made = name(function, wide, *stored(*arrays))
    return Launch(FILE, made, grid, block, pointers, (np.int64(D), np.int64(R // wide)))


@plans
def prelu_forward(x: Operand, slope: Operand, y: Operand) -> Launch:
    return prelu("prelu_forward", x, y)


@plans
def prelu_backward(x: Operand, dy: Operand, slope: Operand, dx: Operand) -> Launch:
    return prelu("prelu_backward", x, dy, dx)


@plans
def product_terms(dy: Operand, x: Operand, partials: Operand, negative: bool) -> Launch:
    A, D, R = dy.shape
    function = name("product_terms", width(dy, x, run=R), ELEMENTS, negative, *stored(dy, x))
    scalars = np.int64(A), np.int32(D), np.int64(R)
    return Launch(FILE, function, (partials.shape[1], rows(D), 1), (THREADS, 1, 1), (0, 1, 2), scalars)


@plans
def sums_of_terms(partials: Operand, products: Operand, sums: Operand) -> Launch:
    function = name("sums_of_terms", 2 if partials.fits(2) else 1)
    return Launch(FILE, function, (partials.shape[0], 1, 1), (FEW, 1, 1), (0, 1, 2), (np.int32(partials.shape[1]),))


for _rows, _last in (("scale_rows", 2), ("add_rows", 2), ("scale_add_rows", 3), ("prelu_forward", 2)):
    narrows(_rows, 0, _last)
narrows("prelu_backward", 0, 1, 3)
narrows("product_terms", 0, 1)
