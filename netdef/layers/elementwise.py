"""Functions of one element: y = f(x), the same shape, nothing learned."""

from __future__ import annotations

from math import e

from netdef.graph.cuts import Same
from netdef.graph.layer import Layer, layer
from netdef.graph.shape import Shape


class Elementwise(Layer):
    """y = f(x), element by element."""

    cuts = Same()
    channel_groups = None
    kind = "activation"
    is_interchangeable = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check()
        return [bottoms[0]]

    def check(self) -> None:
        """Raises NetdefError for constants that make no function."""


class OfBase(Elementwise):
    """A function that has a base: -1 in the file stands for e."""

    @property
    def base(self) -> float:
        return e if self.p.base == -1 else self.p.base

    def check(self) -> None:
        if self.p.base <= 0 and self.p.base != -1:
            raise self.error(f"base {self.p.base:g} must be positive, or -1 for e", "base")


@layer("AbsVal")
class AbsVal(Elementwise):
    """y = |x|."""

    backward_reads = frozenset({"bottom"})
    allows_in_place = False


@layer("BNLL")
class BNLL(Elementwise):
    """Binomial normal log likelihood: y = log(1 + exp(x))."""

    backward_reads = frozenset({"bottom"})


@layer("Clip")
class Clip(Elementwise):
    """y = min(max(x, lowest), highest): the fields min and max."""

    backward_reads = frozenset({"bottom"})

    def check(self) -> None:
        if not self.message.HasField("clip_param"):
            raise self.error("min and max are missing")
        if self.p.min > self.p.max:
            raise self.error(f"min {self.p.min:g} is above max {self.p.max:g}", "min")


@layer("Exp")
class Exp(OfBase):
    """y = base ** (scale * x + shift)."""

    backward_reads = frozenset({"top"})


@layer("Log")
class Log(OfBase):
    """y = log(scale * x + shift) to the base."""

    backward_reads = frozenset({"bottom"})


@layer("Power")
class Power(Elementwise):
    """y = (shift + scale * x) ** power."""

    @property
    def backward_reads(self) -> frozenset[str]:  # type: ignore[override]
        """Of a constant or linear function nothing, of a square x, of others y / x (power_layer.cpp)."""
        if self.p.power in (0.0, 1.0) or self.p.scale == 0:
            return frozenset()
        return frozenset({"bottom"}) if self.p.power == 2 else frozenset({"bottom", "top"})


@layer("Sigmoid")
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x))."""

    backward_reads = frozenset({"top"})


@layer("Swish")
class Swish(Elementwise):
    """y = x / (1 + exp(-beta * x)) (Ramachandran et al. 2017)."""

    backward_reads = frozenset({"top"})


@layer("TanH")
class TanH(Elementwise):
    """y = tanh(x)."""

    backward_reads = frozenset({"top"})


@layer("Threshold")
class Threshold(Elementwise):
    """y = 1 where x is above the threshold, else 0."""

    no_gradient_to = (0,)
