"""Launches of elementwise.cu.  All arrays are flat."""

from __future__ import annotations

from runtime.kernels.cuda.grids import flat
from runtime.kernels.cuda.registry import Launch, Operand, plans

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
