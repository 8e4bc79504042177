"""ONNX of functions of one element, and of element-wise sums and products."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import writes
from runtime.exchange.onnx_out.sources import FLOAT

PLAIN = {"AbsVal": "Abs", "BNLL": "Softplus", "Sigmoid": "Sigmoid", "TanH": "Tanh"}


@writes(*PLAIN)
def plain(layer: Any, on: Scope) -> None:
    on.out(PLAIN[layer.type], on.x)


@writes("ReLU")
def relu(layer: Any, on: Scope) -> None:
    slope = layer.p.negative_slope
    on.out("LeakyRelu" if slope else "Relu", on.x, alpha=slope or None)


@writes("ReLU6")
def relu6(layer: Any, on: Scope) -> None:
    on.out("Clip", on.x, on.constant(np.float32(0), "min"), on.constant(np.float32(6), "max"))


@writes("Clip")
def clip(layer: Any, on: Scope) -> None:
    on.out("Clip", on.x, on.constant(np.float32(layer.p.min), "min"), on.constant(np.float32(layer.p.max), "max"))


@writes("ELU")
def elu(layer: Any, on: Scope) -> None:
    on.out("Elu", on.x, alpha=layer.p.alpha)


@writes("Swish")
def swish(layer: Any, on: Scope) -> None:
    on.out("Mul", on.x, on.op("Sigmoid", on.scaled(on.x, layer.p.beta, "beta")))


@writes("Threshold")
def threshold(layer: Any, on: Scope) -> None:
    above = on.op("Greater", on.x, on.constant(np.float32(layer.p.threshold), "threshold"))
    on.out("Cast", above, to=FLOAT)


@writes("Exp")
def exponential(layer: Any, on: Scope) -> None:
    constants = layer.constants_of(layer.function.value)
    x = on.scaled(on.x, constants["rate"])
    if constants["start"] == 1:
        on.out("Exp", x)
    else:
        on.out("Mul", on.op("Exp", x), on.constant(np.float32(constants["start"]), "start"))


@writes("Log")
def logarithm(layer: Any, on: Scope) -> None:
    constants = layer.constants_of(layer.function.value)
    x = on.shifted(on.scaled(on.x, constants["scale"]), constants["shift"])
    if constants["factor"] == 1:
        on.out("Log", x)
    else:
        on.out("Mul", on.op("Log", x), on.constant(np.float32(constants["factor"]), "base"))


@writes("Power")
def power(layer: Any, on: Scope) -> None:
    """(shift + scale * x) ** power, without what changes nothing."""
    steps = [(kind, value) for kind, value, idle in _power_steps(layer) if value != idle]
    if not steps:
        on.out("Identity", on.x)
        return
    x = on.x
    for number, (kind, value) in enumerate(steps, 1):
        constant = on.constant(np.float32(value), kind.lower())
        if number == len(steps):
            on.out(kind, x, constant)
        else:
            x = on.op(kind, x, constant)


def _power_steps(layer: Any) -> list[tuple[str, float, float]]:
    """(operator, its number, the number with which it does nothing)."""
    return [("Mul", layer.p.scale, 1.0), ("Add", layer.p.shift, 0.0), ("Pow", layer.p.power, 1.0)]


@writes("Eltwise")
def eltwise(layer: Any, on: Scope) -> None:
    xs = list(on.inputs)
    if layer.operation == "SUM":
        coefficients = layer.coefficients
        if coefficients == (1.0, -1.0):
            on.out("Sub", *xs)
            return
        xs = [on.scaled(x, factor, "coeff") for x, factor in zip(xs, coefficients, strict=True)]
    kind = {"SUM": "Add", "PROD": "Mul", "MAX": "Max"}[layer.operation]
    if kind == "Max":
        on.out(kind, *xs)
    else:
        on.out(kind, reduce(lambda a, b: on.op(kind, a, b), xs[:-1]), xs[-1])


@writes("Axpy")
def axpy(layer: Any, on: Scope) -> None:
    a, x, y = on.inputs
    if len(layer.bottoms[0].shape) != len(layer.bottoms[1].shape):
        a = on.reshaped(a, 0, 0, *[1] * (len(layer.bottoms[1].shape) - 2))
    on.out("Add", on.op("Mul", x, a), y)
