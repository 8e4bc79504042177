"""Launches of elementwise.cu and relu.cu.  All arrays are flat."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import flat
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand

FILE = "elementwise.cu"


@plans
def sigmoid_forward(x: Operand, y: Operand) -> Launch:
    return flat(FILE, "sigmoid_forward", (x, y))


@plans
def sigmoid_backward(dy: Operand, y: Operand, dx: Operand) -> Launch:
    return flat(FILE, "sigmoid_backward", (dy, y, dx))


@plans
def tanh_forward(x: Operand, y: Operand) -> Launch:
    return flat(FILE, "tanh_forward", (x, y))


@plans
def tanh_backward(dy: Operand, y: Operand, dx: Operand) -> Launch:
    return flat(FILE, "tanh_backward", (dy, y, dx))


RELU = "relu.cu"


@plans
def relu_forward(x: Operand, y: Operand, slope: float) -> Launch:
    return flat(RELU, "relu_forward", (x, y), np.float32(slope))


@plans
def relu_backward(dy: Operand, sign: Operand, dx: Operand, slope: float) -> Launch:
    return flat(RELU, "relu_backward", (dy, sign, dx), np.float32(slope))
