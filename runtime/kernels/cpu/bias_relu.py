"""What follows a product in one kernel: the bias and ReLU, while the results are in a cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from runtime.kernels.cpu.jit import inner, jit


class Epilogue(NamedTuple):
    """What follows a product: a bias added, another array as large as the result, then ReLU with a slope below zero."""

    has_bias: bool = False
    relu: bool = False
    slope: float = 0.0
    added: bool = False


@inner
def bias_relu_row(row, bias, relu, slope):
    """row += bias, then ReLU with a negative slope if asked."""
    if not relu:
        for j in range(row.size):
            row[j] = row[j] + bias
    elif slope == 0:
        for j in range(row.size):
            v = row[j] + bias
            row[j] = v if not (v < 0) else np.float32(0)  # written so that a NaN stays one
    else:
        for j in range(row.size):
            v = row[j] + bias
            row[j] = v if not (v < 0) else v * np.float32(slope)


@jit
def bias_relu_rows(y, bias, epilogue):
    """y (O, columns) += bias (O,), then ReLU with a negative slope, on what a GEMM just wrote."""
    for o in range(y.shape[0]):
        bias_relu_row(y[o], bias[o] if epilogue.has_bias else np.float32(0), epilogue.relu, epilogue.slope)
