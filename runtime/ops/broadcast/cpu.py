"""Factors, biases and slopes, broadcast over the axes that they do not have, and the sums over these axes that are their gradients.

Rows: x (A, D, R) and a number for each of D.  Columns: x (D, R, N) and a number for each of D x N.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cpu.jit import BLOCK, blocks, inner, jit
from runtime.kernels.cpu.registry import kernel

STRIP = 512  # floats that are added up as float32, before their sum is added as float64
ZERO = np.float32(0)


def row_items(x: Any, *_: Any) -> int:
    """An item for each BLOCK of a row."""
    return x.shape[0] * x.shape[1] * blocks(x.shape[2])


@inner
def row_block(item, x):
    """(a, d, first element): the BLOCK of a row that an item of `row_items` is."""
    per_row = -(-x.shape[2] // BLOCK)
    row = item // per_row
    return row // x.shape[1], row % x.shape[1], item % per_row * BLOCK


@kernel(items=row_items, flops=1)
@jit
def scale_rows(begin, end, x, factor, y):
    """y = x * factor by rows."""
    for item in range(begin, end):
        a, d, start = row_block(item, x)
        source, out, f = x[a, d, start : start + BLOCK], y[a, d, start : start + BLOCK], factor[d]
        for i in range(out.size):
            out[i] = source[i] * f


@kernel(items=row_items, flops=1)
@jit
def add_rows(begin, end, x, bias, y):
    """y = x + bias by rows."""
    for item in range(begin, end):
        a, d, start = row_block(item, x)
        source, out, b = x[a, d, start : start + BLOCK], y[a, d, start : start + BLOCK], bias[d]
        for i in range(out.size):
            out[i] = source[i] + b


@kernel(items=row_items, flops=2)
@jit
def scale_add_rows(begin, end, x, factor, bias, y):
    """y = x * factor + bias by rows."""
    for item in range(begin, end):
        a, d, start = row_block(item, x)
        source, out, f, b = x[a, d, start : start + BLOCK], y[a, d, start : start + BLOCK], factor[d], bias[d]
        for i in range(out.size):
            out[i] = source[i] * f + b


@kernel(items=lambda x, *_: x.shape[0] * x.shape[1], flops=1)
@jit
def scale_columns(begin, end, x, factor, y):
    """y = x * factor by columns.  Item: N numbers."""
    R = x.shape[1]
    for item in range(begin, end):
        d, r = item // R, item % R
        source, f, out = x[d, r], factor[d], y[d, r]
        for n in range(out.size):
            out[n] = source[n] * f[n]


@kernel(items=lambda x, *_: x.shape[0] * x.shape[1], flops=1)
@jit
def add_columns(begin, end, x, bias, y):
    """y = x + bias by columns.  Item: N numbers."""
    R = x.shape[1]
    for item in range(begin, end):
        d, r = item // R, item % R
        source, b, out = x[d, r], bias[d], y[d, r]
        for n in range(out.size):
            out[n] = source[n] + b[n]


@kernel(items=lambda x, *_: x.shape[0] * blocks(x.shape[1]), flops=2)
@jit
def prelu_forward(begin, end, x, slope, y):
    """y (D, R) = x where x > 0, else slope * x by rows."""
    per_row = -(-x.shape[1] // BLOCK)
    for item in range(begin, end):
        d, start = item // per_row, item % per_row * BLOCK
        source, out, s = x[d, start : start + BLOCK], y[d, start : start + BLOCK], slope[d]
        for i in range(out.size):
            out[i] = source[i] if source[i] > 0 else s * source[i]


@kernel(items=lambda x, *_: x.shape[0] * blocks(x.shape[1]), flops=2)
@jit
def prelu_backward(begin, end, x, dy, slope, dx):
    """dx (D, R) = dy where x > 0, else slope * dy by rows."""
    per_row = -(-x.shape[1] // BLOCK)
    for item in range(begin, end):
        d, start = item // per_row, item % per_row * BLOCK
        source, gradient = x[d, start : start + BLOCK], dy[d, start : start + BLOCK]
        out, s = dx[d, start : start + BLOCK], slope[d]
        for i in range(out.size):
            out[i] = gradient[i] if source[i] > 0 else s * gradient[i]


@inner
def add_products(dy, x, negative):
    """(the sum of dy * x, the sum of dy) of two runs, float64; if `negative`, of x only what is not above 0."""
    products, total = np.float64(0), np.float64(0)
    for first in range(0, dy.size, STRIP):
        g, v = dy[first : first + STRIP], x[first : first + STRIP]
        product, part = ZERO, ZERO
        if negative:
            for i in range(g.size):
                product += g[i] * (ZERO if v[i] > 0 else v[i])
        else:
            for i in range(g.size):
                product += g[i] * v[i]
                part += g[i]
        products += product
        total += part
    return products, total


@kernel(items=lambda dy, x, partials, negative: partials.shape[0] * partials.shape[1], flops=3)
@jit
def product_terms(begin, end, dy, x, partials, negative):
    """partials (D, runs, 2), float64: sums of dy * x and of dy over each run of a row.

    If `negative`, of x only what is not above 0, and no sum of dy.
    """
    (A, _, R), runs = dy.shape, partials.shape[1]
    group, pieces = max(1, ELEMENTS // R), -(-R // ELEMENTS)
    for item in range(begin, end):
        d, run = item // runs, item % runs
        first, start = run // pieces * group, run % pieces * ELEMENTS
        products, total = 0.0, 0.0
        for a in range(first, min(first + group, A)):
            found = add_products(dy[a, d, start : start + ELEMENTS], x[a, d, start : start + ELEMENTS], negative)
            products += found[0]
            total += found[1]
        partials[d, run, 0], partials[d, run, 1] = products, total


@kernel(items=lambda partials, products, sums: partials.shape[0], flops=1)
@jit
def sums_of_terms(begin, end, partials, products, sums):
    """products (D,), sums (D,): what the runs of each row come to."""
    for d in range(begin, end):
        product, total = 0.0, 0.0
        for run in range(partials.shape[1]):
            product += partials[d, run, 0]
            total += partials[d, run, 1]
        products[d], sums[d] = product, total
