"""Fully connected layers: GEMMs on column matrices, batch innermost.

A: axes before the inner ones (1 for Caffe's usual axis 1), K inputs, O outputs, N the batch.  x (A, K, N), w (O, K), y (A, O, N).
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.bias_relu import Epilogue, bias_relu_rows
from runtime.kernels.cpu.registry import Launch, kernel, launch, plans
from runtime.kernels.operand import Operand

ROWS = 256  # rows of the result in one item: large enough for BLAS, small enough for several workers


def _block(item: int, rows: int) -> tuple[int, slice]:
    """Which matrix an item belongs to, and which of its rows it computes."""
    matrix, block = divmod(item, _blocks(rows))
    return matrix, slice(block * ROWS, min((block + 1) * ROWS, rows))


def _blocks(rows: int) -> int:
    return -(-rows // ROWS)


@plans(flops=lambda x, w, b, y, has_bias, relu, **_: (has_bias + relu) * y.size)
def inner_product(
    x: Operand, w: Operand, b: Operand, y: Operand, transpose: bool, has_bias: bool, relu: bool, slope: float
) -> Launch:
    return launch("inner_product_rows", x, w, b, y, transpose=transpose, epilogue=Epilogue(has_bias, relu, float(slope)))


@kernel(items=lambda x, w, b, y, transpose, epilogue: y.shape[0] * _blocks(y.shape[1]))
def inner_product_rows(begin, end, x, w, b, y, transpose, epilogue):
    """y (A, O, N) = w (O, K) . x (A, K, N) + b (O,), then ReLU if asked.  transpose: w is stored (K, O).  Item: ROWS outputs."""
    weights = w.T if transpose else w
    for item in range(begin, end):
        a, rows = _block(item, y.shape[1])
        np.matmul(weights[rows], x[a], out=y[a, rows])
        if epilogue.has_bias or epilogue.relu:
            bias_relu_rows(y[a, rows], b[rows] if epilogue.has_bias else y[a, 0], epilogue)


@kernel(
    items=lambda x, dy, dw, transpose: _blocks(dw.shape[0]),
    scratch=lambda x, dy, dw, transpose: min(ROWS, dw.shape[0]) * dw.shape[1] if x.shape[0] > 1 else 0,
    flops=0,
)
def inner_product_weight_gradient(begin, end, x, dy, dw, scratch, transpose):
    """dw (O, K) = the sum over A of dy (A, O, N) . x (A, K, N)^T, or its transpose.  Item: ROWS rows of dw."""
    left, right = (x, dy) if transpose else (dy, x)
    for item in range(begin, end):
        _, rows = _block(item, dw.shape[0])
        np.matmul(left[0, rows], right[0].T, out=dw[rows])
        for a in range(1, len(x)):
            more = scratch[: dw[rows].size].reshape(dw[rows].shape)
            np.matmul(left[a, rows], right[a].T, out=more)
            dw[rows] += more


@kernel(items=lambda dy, w, dx, transpose: dx.shape[0] * _blocks(dx.shape[1]), flops=0)
def inner_product_input_gradient(begin, end, dy, w, dx, transpose):
    """dx (A, K, N) = w (O, K)^T . dy (A, O, N).  Item: ROWS rows of dx."""
    weights = w if transpose else w.T
    for item in range(begin, end):
        a, rows = _block(item, dx.shape[1])
        np.matmul(weights[rows], dy[a], out=dx[a, rows])
