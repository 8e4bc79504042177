"""How Eltwise lowers: sums, products and maxima of two bottoms, then of the result and the next; and Axpy."""

from __future__ import annotations

from netdef.layers.eltwise import Axpy, Eltwise
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


@lowers(Eltwise)
def lower(layer: Eltwise, build: Builder) -> None:
    bottoms = [build.bottom(layer, index).flat() for index in range(len(layer.bottoms))]
    y = build.top(layer, 0).flat()
    {"SUM": _sum, "PROD": _product, "MAX": _maximum}[layer.operation](layer, build, bottoms, y)


def _sum(layer: Eltwise, build: Builder, bottoms: list[Buffer], y: Buffer) -> None:
    coefficients = layer.coefficients
    result, factor = bottoms[0], coefficients[0]
    for x, coefficient in zip(bottoms[1:], coefficients[1:], strict=True):
        if factor == coefficient == 1:
            build.forward("add", result, x, out=y)
        else:
            build.forward("scaled_add", result, x, out=y, factor_a=factor, factor_b=coefficient)
        result, factor = y, 1.0
    for index, coefficient in enumerate(coefficients):
        if build.needs_gradient(layer, index):
            if coefficient == 1:
                build.alias_gradient(layer, 0, index)
            else:
                dy, dx = _gradients(layer, build, index)
                build.backward("scale", dy, out=dx, factor=coefficient)


def _product(layer: Eltwise, build: Builder, bottoms: list[Buffer], y: Buffer) -> None:
    result = bottoms[0]
    for x in bottoms[1:]:
        build.forward("multiply", result, x, out=y)
        result = y
    for index, x in enumerate(bottoms):
        if not build.needs_gradient(layer, index):
            continue
        dy, dx = _gradients(layer, build, index)
        if not layer.p.stable_prod_grad:
            build.backward("quotient_backward", dy, y, x, out=dx)
            continue
        result = dy
        for other in bottoms[:index] + bottoms[index + 1 :]:
            build.backward("multiply", result, other, out=dx)
            result = dx


def _maximum(layer: Eltwise, build: Builder, bottoms: list[Buffer], y: Buffer) -> None:
    winner = build.saved(layer, "winner", y.shape, "uint8")
    build.forward("maximum_pair", *bottoms[:2], out=(y, winner))
    for index, x in enumerate(bottoms[2:], start=2):
        build.forward("maximum_next", y, x, winner, out=(y, winner), index=index)
    for index in range(len(bottoms)):
        if build.needs_gradient(layer, index):
            dy, dx = _gradients(layer, build, index)
            build.backward("maximum_backward", dy, winner, out=dx, index=index)


def _gradients(layer: Eltwise, build: Builder, index: int) -> tuple[Buffer, Buffer]:
    return build.top_gradient(layer, 0).flat(), build.bottom_gradient(layer, index).flat()


@lowers(Axpy)
def lower_axpy(layer: Axpy, build: Builder) -> None:
    N, C = layer.bottoms[1].shape[:2]
    columns, each = (C, layer.bottoms[1].count // (N * C), N), (C, N)
    a, x, y = build.bottom(layer, 0).view(each), build.bottom(layer, 1).view(columns), build.top(layer, 0)
    build.forward("scale_columns", x, a, out=y.view(columns))
    build.forward("add", y.flat(), build.bottom(layer, 2).flat(), out=y.flat())
    for index, (kernel, other, shape) in enumerate((("product_columns", x, each), ("scale_columns", a, columns))):
        if build.needs_gradient(layer, index):
            dy, dx = build.top_gradient(layer, 0).view(columns), build.bottom_gradient(layer, index).view(shape)
            build.backward(kernel, dy, other, out=dx)
    if build.needs_gradient(layer, 2):
        build.alias_gradient(layer, 0, 2)
