"""CPU plans of gradients that are masked by a ReLU and summed for a bias: the kernels of each, one after the other.

Programs for a CPU do not have these instructions, see runtime/compiler/passes/fuse_gradients.py; they are what a card's are held
against.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runtime.kernels.cpu.registry import Launch, Plan, launch, plans
from runtime.kernels.operand import Operand


def flat(operand: Operand) -> Operand:
    return replace(operand, shape=(operand.size,))


def mask(dy: Operand, y: Operand, dx: Operand, slope: float) -> Launch:
    """dx = dy masked by y; dx may be dy."""
    return launch("relu_backward", flat(dy), flat(y), flat(dx), slope=slope)


def total(dx: Operand, db: Operand) -> Launch:
    """dx: (1, channels, rows, columns)."""
    return launch("bias_gradient", dx, db)


@plans(flops=2)
def relu_backward_bias(dy: Operand, y: Operand, dx: Operand, db: Operand, slope: float) -> Plan:
    return Plan((mask(dy, y, dx, slope), total(dx, db)))


@plans(flops=lambda x, dy, dx, size, **_: (3 * size + 13) * x.size)
def lrn_backward_relu(x: Operand, dy: Operand, dx: Operand, slope: float, **constants: Any) -> Plan:
    """x: what LRN was given, and what ReLU made."""
    return Plan((launch("lrn_backward", x, dy, replace(dx, shape=x.shape), **constants), mask(dx, x, dx, slope)))


@plans(flops=lambda x, dy, dx, db, size, **_: (3 * size + 14) * x.size)
def lrn_backward_relu_bias(x: Operand, dy: Operand, dx: Operand, db: Operand, slope: float, **constants: Any) -> Plan:
    return Plan((*lrn_backward_relu(x, dy, dx, slope, **constants).launches, total(dx, db)))


@plans(flops=lambda dy, argmax, y, dx, **_: 2 * y.size)
def pool_max_backward_relu(dy: Operand, argmax: Operand, y: Operand, dx: Operand, slope: float, **geometry: Any) -> Plan:
    return Plan((launch("pool_max_backward", dy, argmax, dx, **geometry), mask(dx, y, dx, slope)))


@plans(flops=lambda dy, argmax, y, dx, db, **_: 3 * y.size)
def pool_max_backward_relu_bias(
    dy: Operand, argmax: Operand, y: Operand, dx: Operand, db: Operand, slope: float, **geometry: Any
) -> Plan:
    C, H, W, N = dx.shape
    made = pool_max_backward_relu(dy, argmax, y, dx, slope, **geometry)
    return Plan((*made.launches, total(replace(dx, shape=(1, C, H, W * N)), db)))
