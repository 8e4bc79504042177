"""Launches of normalize.cu."""

from __future__ import annotations

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cuda.grids import THREADS, blocks, name, rows, stored, table, width
from runtime.kernels.cuda.registry import Launch, narrows, plans
from runtime.kernels.operand import Operand
from runtime.ops.softmax.cuda import SLICED, sliced, slices

FILE = "normalize.cu"
FEW = 64  # normalize.cu's


@plans
def channel_moments(x: Operand, partials: Operand) -> Launch:
    C, R = x.shape
    function = name("channel_moments", width(x, run=R), ELEMENTS, *stored(x))
    return Launch(FILE, function, (partials.shape[1], rows(C), 1), (1, SLICED, 1), (0, 1), (np.int32(C), np.int64(R)))


@plans
def batch_statistics(partials: Operand, mean: Operand, variance: Operand, inverse: Operand, count: int, eps: float) -> Launch:
    C, runs, _ = partials.shape
    function = name("batch_statistics", 2 if partials.fits(2) else 1, ELEMENTS)
    return Launch(FILE, function, (C, 1, 1), (FEW, 1, 1), (0, 1, 2, 3), (np.int32(runs), np.int64(count), np.float64(eps)))


@plans
def global_statistics(
    means: Operand, variances: Operand, divisor: Operand, mean: Operand, inverse: Operand, eps: float, unset: float
) -> Launch:
    scalars = np.int32(mean.size), np.float64(eps), np.float32(unset)
    return Launch(FILE, "global_statistics", (blocks(mean.size), 1, 1), (THREADS, 1, 1), tuple(range(5)), scalars)


@plans
def running_statistics(
    mean: Operand, variance: Operand, added: Operand, means: Operand, variances: Operand, divisor: Operand,
    next_means: Operand, next_variances: Operand, next_divisor: Operand, fraction: float, weight: float,
    correction: float,
) -> Launch:  # fmt: skip
    scalars = np.int32(mean.size), np.float32(fraction), np.float32(weight), np.float32(correction)
    return Launch(FILE, "running_statistics", (1, 1, 1), (THREADS, 1, 1), tuple(range(9)), scalars)


def channels(
    function: str, pointers: int, *arrays: Operand, constants: tuple[bool, ...] = (), slope: float | None = None
) -> Launch:
    """A kernel over arrays (C, R)."""
    C, R = arrays[0].shape
    wide = width(*arrays, run=R)
    scalars = np.int32(C), np.int64(R // wide), *(() if slope is None else (np.float32(slope),))
    return Launch(FILE, name(function, wide, *constants, *stored(*arrays)), *table(C, R // wide), tuple(range(pointers)), scalars)


@plans
def normalize_channels(x: Operand, mean: Operand, inverse: Operand, y: Operand) -> Launch:
    return channels("normalize_channels", 4, x, y)


@plans
def normalize_channels_backward(dy: Operand, y: Operand, inverse: Operand, products: Operand, sums: Operand, dx: Operand) -> Launch:
    return channels("normalize_channels_backward", 6, dy, y, dx)


@plans
def normalize_scale(
    x: Operand, mean: Operand, inverse: Operand, factor: Operand, bias: Operand, y: Operand, relu: bool, slope: float
) -> Launch:
    return channels("normalize_scale", 6, x, y, constants=(relu,), slope=slope)


@plans
def normalize_scale_add(
    x: Operand, mean: Operand, inverse: Operand, factor: Operand, bias: Operand, more: Operand, y: Operand, relu: bool, slope: float
) -> Launch:
    return channels("normalize_scale_add", 7, x, more, y, constants=(relu,), slope=slope)


@plans
def normalize_scale_relu_terms(
    dy: Operand, y: Operand, x: Operand, mean: Operand, inverse: Operand, dz: Operand, partials: Operand, slope: float
) -> Launch:
    return masked_terms("normalize_scale_relu_terms", (dy, y, x, dz), 7, partials, slope)


@plans
def normalize_scale_add_relu_terms(
    dy: Operand, more: Operand, y: Operand, x: Operand, mean: Operand, inverse: Operand, dz: Operand, partials: Operand,
    slope: float,
) -> Launch:  # fmt: skip
    return masked_terms("normalize_scale_add_relu_terms", (dy, more, y, x, dz), 8, partials, slope)


def masked_terms(function: str, arrays: tuple[Operand, ...], pointers: int, partials: Operand, slope: float) -> Launch:
    """A kernel over arrays (C, R) that sums over runs of a channel."""
    C, R = arrays[0].shape
    scalars = np.int32(C), np.int64(R), np.float32(slope)
    grid = (partials.shape[1], rows(C), 1)
    made = name(function, width(*arrays, run=R), ELEMENTS, *stored(*arrays))
    return Launch(FILE, made, grid, (THREADS, 1, 1), tuple(range(pointers)), scalars)


@plans
def normalize_scale_terms(dy: Operand, x: Operand, mean: Operand, inverse: Operand, partials: Operand) -> Launch:
    C, R = x.shape
    function = name("normalize_scale_terms", width(dy, x, run=R), ELEMENTS, *stored(dy, x))
    scalars = np.int32(C), np.int64(R)
    return Launch(FILE, function, (partials.shape[1], rows(C), 1), (THREADS, 1, 1), tuple(range(5)), scalars)


@plans
def normalize_scale_backward(
    dy: Operand, x: Operand, mean: Operand, inverse: Operand, factor: Operand, products: Operand, sums: Operand, dx: Operand
) -> Launch:
    return channels("normalize_scale_backward", 8, dy, x, dx)


narrows("channel_moments", 0)
narrows("normalize_channels", 0, 3)
narrows("normalize_channels_backward", 0, 1, 5)
narrows("normalize_scale", 0, 5)
narrows("normalize_scale_add", 0, 5, 6)
narrows("normalize_scale_relu_terms", 0, 1, 2, 5)
narrows("normalize_scale_add_relu_terms", 0, 1, 2, 3, 6)
narrows("normalize_scale_terms", 0, 1)
narrows("normalize_scale_backward", 0, 1, 7)


def columns(function: str, arrays: tuple[Operand, ...], *scalars: np.generic) -> Launch:
    """A kernel over the middle axis of arrays (outer, K, inner), and others (outer, inner)."""
    outer, K, inner = arrays[0].shape
    wide = width(*arrays, run=inner)
    extents = np.int64(outer), np.int64(K), np.int64(inner // wide)
    grid, block = sliced(K, outer, inner // wide)
    return Launch(FILE, name(function, wide, slices(K)), grid, block, tuple(range(len(arrays))), (*extents, *scalars))


@plans
def centre_columns(x: Operand, y: Operand) -> Launch:
    return columns("centre_columns", (x, y))


@plans
def standardize_columns(x: Operand, y: Operand, inverse: Operand, eps: float) -> Launch:
    return columns("standardize_columns", (x, y, inverse), np.float64(eps))


@plans
def standardize_columns_backward(dy: Operand, y: Operand, inverse: Operand, dx: Operand) -> Launch:
    return columns("standardize_columns_backward", (dy, y, inverse, dx))


@plans
def unit_columns(x: Operand, y: Operand, inverse: Operand, eps: float) -> Launch:
    return columns("unit_columns", (x, y, inverse), np.float64(eps))


@plans
def unit_columns_backward(dy: Operand, y: Operand, inverse: Operand, dx: Operand) -> Launch:
    return columns("unit_columns_backward", (dy, y, inverse, dx))
