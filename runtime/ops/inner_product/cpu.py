"""Fully connected layers: GEMMs on column matrices, batch innermost.

A: axes before the inner ones (1 for Caffe's usual axis 1), K inputs, O outputs, N the batch.  x (A, K, N), w (O, K), y (A, O, N).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from netdef.graph.cuts import even_cuts
from runtime.kernels.cpu.bias_relu import bias_relu_rows
from runtime.kernels.cpu.registry import kernel

ROWS = 512  # rows of the result in one item: large enough for BLAS, small enough for several workers


@cache
def _blocks(rows: int, parts: int = 1) -> tuple[slice, ...]:
    """The rows of each item; none has rows of two of the parts."""
    cuts = even_cuts(rows, parts)
    return tuple(slice(first, min(first + ROWS, end)) for begin, end in cuts for first in range(begin, end, ROWS))


def _block(item: int, rows: int, parts: int = 1) -> tuple[int, slice]:
    """Which matrix an item belongs to, and which of its rows it computes."""
    blocks = _blocks(rows, parts)
    return item // len(blocks), blocks[item % len(blocks)]


@kernel(items=lambda x, w, b, y, transpose, parts, has_bias, relu, slope: y.shape[0] * len(_blocks(y.shape[1], parts)))
def inner_product(begin, end, x, w, b, y, transpose, parts, has_bias, relu, slope):
    """y (A, O, N) = w (O, K) . x (A, K, N) + b (O,), then ReLU if asked.  transpose: w is stored (K, O).  Item: ROWS outputs.

    parts: of the outputs, each in items of its own, as on a device of its own.
    """
    weights = w.T if transpose else w
    for item in range(begin, end):
        a, rows = _block(item, y.shape[1], parts)
        np.matmul(weights[rows], x[a], out=y[a, rows])
        if has_bias or relu:
            bias_relu_rows(y[a, rows], b[rows] if has_bias else y[a, 0], has_bias, relu, slope)


@kernel(items=lambda x, dy, dw, transpose, parts: len(_blocks(dw.shape[0], parts)))
def inner_product_weight_gradient(begin, end, x, dy, dw, scratch, transpose, parts):
    """dw (O, K) = the sum over A of dy (A, O, N) . x (A, K, N)^T, or its transpose.  Item: ROWS rows of dw."""
    left, right = (x, dy) if transpose else (dy, x)
    for item in range(begin, end):
        _, rows = _block(item, dw.shape[0], parts)
        np.matmul(left[0, rows], right[0].T, out=dw[rows])
        part = scratch[: dw[rows].size].reshape(dw[rows].shape) if len(x) > 1 else dw[rows]
        for a in range(1, len(x)):
            np.matmul(left[a, rows], right[a].T, out=part)
            dw[rows] += part


@kernel(items=lambda dy, w, dx, transpose: dx.shape[0] * len(_blocks(dx.shape[1])))
def inner_product_input_gradient(begin, end, dy, w, dx, transpose):
    """dx (A, K, N) = w (O, K)^T . dy (A, O, N).  Item: ROWS rows of dx."""
    weights = w if transpose else w.T
    for item in range(begin, end):
        a, rows = _block(item, dx.shape[1])
        np.matmul(weights[rows], dy[a], out=dx[a, rows])
