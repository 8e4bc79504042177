"""Layers that apply a function to each number by itself, and how such a function is declared.

A function is declared once, in netdef/layers/elementwise.py: its value and its derivative in plain Python on single numbers.  What
the layer type is follows here; its kernels for every device are printed from the same text (runtime/ops/elementwise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from netdef.graph.cuts import Same
from netdef.graph.layer import Layer, layer
from netdef.graph.shape import Shape
from netdef.layers.formula import Expression, read

# What the kernels printed from formulas call their own variables.
KERNELS_OWN = {
    "BLOCK", "R", "TILE", "V", "aside", "begin", "end", "first", "i", "in_place", "larger", "map", "np", "out", "result", "size",
    "smaller", "target",
}  # fmt: skip
ARRAYS = ("dy", "x", "y", "sign")  # what a formula may read for each number; sign: y, of which only the sign is read
Positive = tuple[str, Callable[[Any, Any], Any]]  # what is taken of which number, made of the layer and x, that must be above 0
Constant = str | Callable[[Any], float]  # a field of the type's parameter message, or a function of the layer


@dataclass(frozen=True)
class Formula:
    """One kernel: the number it makes of the numbers and constants that its arguments name.

    Parameters
    ----------
    function: its name is the kernel's.
    arrays, constants: its arguments, in their order.
    expression: what it computes.
    when: of a gradient, the layers it is for.
    """

    function: Callable[..., float]
    arrays: tuple[str, ...]
    constants: tuple[str, ...]
    expression: Expression
    when: Callable[[Any], bool] = lambda layer: True

    @property
    def name(self) -> str:
        return self.function.__name__


class Function:
    """A layer type: the formula of its value, those of its derivative, and where their constants come from.

    Parameters
    ----------
    cases: settings, as a net's text has them, that its tests run; each must be finite from -6 to 6.
    caffe_copies: what Caffe keeps a copy of for backward, so that the blob may be overwritten.
    positive: see `Positive`; None: the function is defined everywhere, or says nothing of where it is not.
    """

    def __init__(
        self,
        value: Callable[..., float],
        constants: Mapping[str, Constant],
        cases: Iterable[str],
        caffe_copies: str,
        positive: Positive | None = None,
    ):
        self.constants = constants
        self.cases = tuple(cases)
        self.caffe_copies = caffe_copies
        self.positive = positive
        self.value = self._formula(value, ("x",))
        self.gradients: list[Formula] = []  # later ones go before earlier ones
        self.layer: type[Elementwise]

    def gradient(self, function: Callable[..., float] | None = None, *, when: Callable[[Any], bool] | None = None) -> Any:
        """Declare the derivative: dx from `dy` and, as its arguments name them, `x` and `y`.

        What it names is kept for backward; without x a layer may run in place.  With `when`, it is for those layers only.
        """

        def declare(function: Callable[..., float]) -> Callable[..., float]:
            formula = self._formula(function, ARRAYS)
            self.gradients.append(replace(formula, when=when or formula.when))
            self.layer.no_gradient_to = ()
            return function

        return declare if function is None else declare(function)

    def _formula(self, function: Callable[..., float], arrays: Iterable[str]) -> Formula:
        """A kernel from its function.

        Raises
        ------
        TypeError: an argument is neither an array nor a constant of this type.
        SyntaxError: it holds what some device could not compute.
        """
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        unknown = [name for name in names if name not in arrays and name not in self.constants]
        if unknown:
            raise TypeError(f"{function.__name__} takes {', '.join(unknown)}; it may take {', '.join([*arrays, *self.constants])}")
        constants = tuple(name for name in names if name in self.constants)
        expression = read(function, constants, results=1, taken=KERNELS_OWN)
        return Formula(function, tuple(name for name in names if name in arrays), constants, expression)

    @property
    def formulas(self) -> list[Formula]:
        """All its kernels."""
        return [self.value, *self.gradients]


FUNCTIONS: dict[str, Function] = {}  # by layer type


class Elementwise(Layer):
    """y = f(x), number by number."""

    cuts = Same()
    channel_groups = None
    kind = "activation"
    is_interchangeable = True
    no_gradient_to: ClassVar[tuple[int, ...]] = (0,)  # until a gradient is declared
    function: ClassVar[Function]
    check: ClassVar[Callable[[Any], None] | None] = None

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if self.check is not None:
            self.check()
        return [bottoms[0]]

    def constants_of(self, formula: Formula) -> dict[str, float]:
        """The constants of one of the type's formulas."""
        rules = {name: self.function.constants[name] for name in formula.constants}
        return {name: getattr(self.p, rule) if isinstance(rule, str) else rule(self) for name, rule in rules.items()}

    @property
    def cuts_off_at_zero(self) -> bool:
        """By the formula of its value, at numbers on both sides of zero."""
        value = self.function.value
        try:
            low, below, above = (value.function(x, **self.constants_of(value)) for x in (-4.0, -1.0, 1.0))
        except (ArithmeticError, ValueError):  # it is not defined there
            return False
        return low == below == 0 != above

    @property
    def gradient(self) -> Formula | None:
        """The formula of this layer's derivative; None of a type that has none."""
        return next((formula for formula in reversed(self.function.gradients) if formula.when(self)), None)

    @property
    def backward_reads(self) -> frozenset[str]:  # type: ignore[override]
        """What the derivative's formula names, less what Caffe copies."""
        read = self.gradient.arrays if self.gradient else ()
        names = {"x": "bottom", "y": "top"}
        return frozenset(names[name] for name in read if name in names and name != self.function.caffe_copies)


def elementwise(
    type_name: str,
    *,
    check: Callable[[Any], None] | None = None,
    cases: Iterable[str] = ("",),
    allows_in_place: bool = True,
    caffe_copies: str = "",
    origin: str = "",
    positive: Positive | None = None,
    **constants: Constant,
) -> Callable[[Callable[..., float]], Function]:
    """Declare a layer type by the function it applies.

    Parameters
    ----------
    check: raises NetdefError for settings that make no function.
    cases, caffe_copies, positive: see Function.
    allows_in_place: whether Caffe does.
    origin: the fork of Caffe that has it; empty for Caffe itself.
    constants: the function's arguments other than x: each a field's name, or a function of the layer.
    """

    def declare(value: Callable[..., float]) -> Function:
        function = Function(value, constants, cases, caffe_copies, positive)
        members = {
            "__doc__": value.__doc__,
            "__module__": value.__module__,
            "function": function,
            "check": check,
            "allows_in_place": allows_in_place,
            "origin": origin,
        }
        function.layer = layer(type_name)(type(type_name, (Elementwise,), members))
        FUNCTIONS[type_name] = function
        return function

    return declare
