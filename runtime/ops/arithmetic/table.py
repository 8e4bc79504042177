"""Sums and products of arrays, number by number: formulas, printed as kernels for every device as those of layers are."""

from __future__ import annotations

from collections.abc import Callable

from netdef.layers.formula import read
from netdef.layers.function import KERNELS_OWN, Formula

ARITHMETIC: dict[str, Formula] = {}  # by kernel


def arithmetic(*constants: str) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Declare a kernel of the function's name; its arguments are arrays of one size, and constants."""

    def declare(function: Callable[..., float]) -> Callable[..., float]:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        arrays = tuple(name for name in names if name not in constants)
        expression = read(function, constants, results=1, taken=KERNELS_OWN)
        ARITHMETIC[function.__name__] = Formula(function, arrays, constants, expression)
        return function

    return declare


@arithmetic("factor")
def scale(x, factor):
    return factor * x


@arithmetic()
def add(a, b):
    return a + b


# Of more arrays, in order; for what cards send each other.
@arithmetic()
def add_3(a, b, c):
    return a + b + c


@arithmetic()
def add_4(a, b, c, d):
    return a + b + c + d


@arithmetic()
def add_5(a, b, c, d, e):
    return a + b + c + d + e


@arithmetic()
def add_6(a, b, c, d, e, f):
    return a + b + c + d + e + f


@arithmetic()
def add_7(a, b, c, d, e, f, g):
    return a + b + c + d + e + f + g


@arithmetic()
def add_8(a, b, c, d, e, f, g, h):
    return a + b + c + d + e + f + g + h


@arithmetic("factor_a", "factor_b")
def scaled_add(a, b, factor_a, factor_b):
    return factor_a * a + factor_b * b


@arithmetic("slope")
def add_relu(a, b, slope):
    """The sum, then ReLU: bit for bit what `add` and `relu_forward` give."""
    y = a + b
    return (slope * y if slope != 0 else 0) if y < 0 else y


@arithmetic("factor_a", "factor_b", "slope")
def scaled_add_relu(a, b, factor_a, factor_b, slope):
    y = factor_a * a + factor_b * b
    return (slope * y if slope != 0 else 0) if y < 0 else y


@arithmetic()
def multiply(a, b):
    return a * b


@arithmetic()
def quotient_backward(dy, y, x):
    """The gradient of a product y that has x among its factors, for stable_prod_grad: false."""
    return y / x * dy
