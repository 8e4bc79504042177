"""How Reduction lowers: over all axes of an image by one instruction; over the images too by a second one."""

from __future__ import annotations

from math import prod

from netdef.layers.reduction import Reduction
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers

SUM, MAGNITUDES, SQUARES = 0, 1, 2  # `operation` of reduce_columns
OPERATIONS = {"SUM": SUM, "MEAN": SUM, "ASUM": MAGNITUDES, "SUMSQ": SQUARES}


@lowers(Reduction)
def lower(layer: Reduction, build: Builder) -> None:
    shape, operation = layer.bottoms[0].shape, OPERATIONS[layer.operation]
    first = max(layer.axis, 1)
    outer, K, N = prod(shape[1:first]), prod(shape[first:]), shape[0]
    factor = layer.coeff / prod(shape[layer.axis :]) if layer.operation == "MEAN" else layer.coeff
    x, y = build.bottom(layer, 0).view((outer, K, N)), build.top(layer, 0)
    of_images = y.view((outer, N)) if layer.axis else build.saved(layer, "images", (1, N))
    build.forward("reduce_columns", x, out=of_images, operation=operation, factor=factor if layer.axis else 1.0)
    if not layer.axis:
        build.forward("reduce_columns", of_images.view((1, N, 1)), out=y.view((1, 1)), operation=SUM, factor=factor)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0).view((outer, K, N))
        lower_backward(layer, build, x, dy, dx, operation, factor)


def lower_backward(layer: Reduction, build: Builder, x: Buffer, dy: Buffer, dx: Buffer, operation: int, factor: float) -> None:
    outer, _, N = dx.shape
    gradient = dy.view((outer, N)) if layer.axis else build.saved(layer, "images.grad", (1, N))
    if not layer.axis:
        build.backward("spread_columns", dy.view((1, 1)), out=gradient.view((1, N, 1)), factor=1.0)
    if operation == SUM:
        build.backward("spread_columns", gradient, out=dx, factor=factor)
    else:
        by = 2 * factor if operation == SQUARES else factor
        build.backward("spread_columns_by", x, gradient, out=dx, factor=by, sign=operation == MAGNITUDES)
