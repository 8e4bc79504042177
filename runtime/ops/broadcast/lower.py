"""How Scale, Bias and PReLU lower.

The operand, a factor or a bias, covers some of the bottom's axes from `axis` on.  Behind axis 0 these are rows of the bottom's
memory: (A, D, R), a number for each of D.  From axis 0 on they are columns, as the batch lies innermost: (D, R, N), a number for
each of D x N.
"""

from __future__ import annotations

from math import prod

from netdef.layers.scale import Bias, PReLU, Scale, Spread
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ir.runs import row_runs
from runtime.ops.gather.box import Box, box
from runtime.ops.registry import lowers


class Operand:
    """What is broadcast: a layer's parameter `index`, or its second bottom where that is None; arrays as the kernels take them."""

    def __init__(self, layer: Spread, build: Builder, index: int | None):
        self._layer, self._build, self._index = layer, build, index
        self._turn = turned(layer, learned=index is not None)
        D, N = kernel_shape(layer)[::2]
        self._shape = (D, N) if by_columns(layer) else (prod(layer.operand_shape),)

    @property
    def learns(self) -> bool:
        """Whether its gradient is needed."""
        if self._index is None:
            return self._build.needs_gradient(self._layer, 1)
        return self._build.needs_parameter_gradient(self._layer, self._index)

    def values(self) -> Buffer:
        """Its values."""
        layer, build, index = self._layer, self._build, self._index
        stored = build.bottom(layer, 1) if index is None else build.parameter(layer, index)
        if self._turn is None:
            return stored.view(self._shape)
        values = build.saved(layer, f"operand{index or 0}", self._shape)
        build.forward("copy_box", stored.flat(), out=values.flat(), box=self._turn)
        return values

    def gradient(self) -> Buffer:
        """A new buffer for its gradient."""
        layer, build, index = self._layer, self._build, self._index
        self._place = build.bottom_gradient(layer, 1) if index is None else build.parameter_gradient(layer, index)
        self._gradient = self._place.view(self._shape)
        if self._turn is not None:
            self._gradient = build.saved(layer, f"operand{index or 0}.grad", self._shape)
        return self._gradient

    def store(self) -> None:
        """Turn the gradient, now that it is written, to lie as the operand does."""
        if self._turn is not None:
            self._build.backward("copy_box", self._gradient.flat(), out=self._place.flat(), box=self._turn.reversed)


def by_columns(layer: Spread) -> bool:
    """Whether the operand covers the batch."""
    return layer.axis == 0 and bool(layer.operand_shape)


def kernel_shape(layer: Spread) -> tuple[int, int, int]:
    """The bottom as the kernels see it: (A, D, R), or by columns (D, R, N)."""
    shape, operand = layer.bottoms[0].shape, layer.operand_shape
    if by_columns(layer):
        return prod(shape[1 : len(operand)]), prod(shape[len(operand) :]), shape[0]
    A = prod(shape[1 : layer.axis]) if operand else 1
    return A, prod(operand), prod(shape) // (A * prod(operand))


def turned(layer: Spread, learned: bool) -> Box | None:
    """How an operand's elements go to where kernels look for them: a blob's first axis lies last, a parameter's first."""
    shape = layer.operand_shape
    if learned != by_columns(layer) or len(shape) < 2:
        return None
    first, rest = shape[0], prod(shape[1:])
    rows, columns = (first, rest) if learned else (rest, first)  # as it lies
    return box((columns, rows), (1, columns), (rows, 1))


def view(layer: Spread, buffer: Buffer) -> Buffer:
    """A bottom or top as the kernels see it."""
    return buffer.view(kernel_shape(layer))


@lowers(Scale)
def lower_scale(layer: Scale, build: Builder) -> None:
    learned = len(layer.bottoms) == 1
    factor = Operand(layer, build, 0 if learned else None)
    bias = Operand(layer, build, int(learned)) if layer.bias_term else None
    x, y, f = view(layer, build.bottom(layer, 0)), view(layer, build.top(layer, 0)), factor.values()
    multiply = "scale_columns" if by_columns(layer) else "scale_rows"
    if bias is None:
        build.forward(multiply, x, f, out=y, inplace=True)
    elif by_columns(layer):
        build.forward(multiply, x, f, out=y, inplace=True)
        build.forward("add_columns", y, bias.values(), out=y)
    else:
        build.forward("scale_add_rows", x, f, bias.values(), out=y, inplace=True)
    if build.needs_gradient(layer, 0):
        dy, dx = view(layer, build.top_gradient(layer, 0)), view(layer, build.bottom_gradient(layer, 0))
        build.backward(multiply, dy, f, out=dx, inplace=True)
    if factor.learns:
        lower_products(layer, build, x, factor, bias)
    elif bias is not None and bias.learns:
        lower_sums(layer, build, bias)


def lower_products(layer: Scale, build: Builder, x: Buffer, factor: Operand, bias: Operand | None) -> None:
    """The gradient of a factor, the sum of dy * x, and of a bias, the sum of dy."""
    dy = view(layer, build.top_gradient(layer, 0))
    if by_columns(layer):
        build.backward("product_columns", dy, x, out=factor.gradient())
        factor.store()
        if bias is not None and bias.learns:
            lower_sums(layer, build, bias)
        return
    A, D, R = dy.shape
    partials = build.saved(layer, "terms", (D, row_runs(A, R), 2), "float64")
    both = bias is not None and bias.learns
    sums = bias.gradient() if bias is not None and both else build.saved(layer, "sums", (D,))
    build.backward("product_terms", dy, x, out=partials, negative=False)
    build.backward("sums_of_terms", partials, out=(factor.gradient(), sums))
    factor.store()
    if bias is not None and both:
        bias.store()


def lower_sums(layer: Spread, build: Builder, bias: Operand) -> None:
    """The gradient of a bias, the sum of dy."""
    dy = view(layer, build.top_gradient(layer, 0))
    if by_columns(layer):
        build.backward("reduce_columns", dy, out=bias.gradient(), operation=0, factor=1.0)
    else:
        (A, D, R), N = dy.shape, layer.bottoms[0].shape[0]
        build.backward("bias_gradient", dy.view((A, D, R // N, N)), out=bias.gradient())
    bias.store()


@lowers(Bias)
def lower_bias(layer: Bias, build: Builder) -> None:
    bias = Operand(layer, build, 0 if len(layer.bottoms) == 1 else None)
    x, y = view(layer, build.bottom(layer, 0)), view(layer, build.top(layer, 0))
    build.forward("add_columns" if by_columns(layer) else "add_rows", x, bias.values(), out=y, inplace=True)
    if build.needs_gradient(layer, 0):
        build.alias_gradient(layer, 0, 0)
    if bias.learns:
        lower_sums(layer, build, bias)


@lowers(PReLU)
def lower_prelu(layer: PReLU, build: Builder) -> None:
    slope = build.parameter(layer, 0).flat()

    def rows(buffer: Buffer) -> Buffer:
        return buffer.view((slope.size, buffer.size // slope.size))

    x, y = rows(build.bottom(layer, 0)), rows(build.top(layer, 0))
    build.forward("prelu_forward", x, slope, out=y, inplace=True)
    if build.needs_gradient(layer, 0):
        dy, dx = rows(build.top_gradient(layer, 0)), rows(build.bottom_gradient(layer, 0))
        build.backward("prelu_backward", x, dy, slope, out=dx)
    if build.needs_parameter_gradient(layer, 0):
        dy, (D, R) = rows(build.top_gradient(layer, 0)), x.shape
        partials = build.saved(layer, "terms", (D, row_runs(1, R), 2), "float64")
        build.backward("product_terms", dy.view((1, D, R)), x.view((1, D, R)), out=partials, negative=True)
        slope_gradient = build.parameter_gradient(layer, 0).flat()
        build.backward("sums_of_terms", partials, out=(slope_gradient, build.saved(layer, "sums", (D,))))
