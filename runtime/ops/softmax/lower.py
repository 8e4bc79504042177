"""How softmax lowers, and the view of a blob that it and the losses over classes share."""

from __future__ import annotations

from math import prod

from netdef.graph.layer import Layer
from netdef.graph.shape import images
from netdef.layers.softmax import Softmax
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


@lowers(Softmax)
def lower(layer: Softmax, build: Builder) -> None:
    x = along(build.bottom(layer, 0), layer.axis)
    y = along(build.top(layer, 0), layer.axis)
    build.forward("softmax_forward", x, out=y)
    if build.needs_gradient(layer, 0):
        dy = along(build.top_gradient(layer, 0), layer.axis)
        dx = along(build.bottom_gradient(layer, 0), layer.axis)
        build.backward("softmax_backward", dy, y, out=dx)


def along(buffer: Buffer, axis: int) -> Buffer:
    """A buffer as (outer, C, inner) around the users' axis `axis`; the batch, their axis 0, lies last in memory."""
    index = axis - 1 if axis else len(buffer.shape) - 1
    shape = buffer.shape
    return buffer.view((prod(shape[:index]), shape[index], prod(shape[index + 1 :])))


def labels_for(layer: Layer, build: Builder, axis: int) -> Buffer:
    """Bottom 1, one label for each prediction along `axis` of bottom 0, flat and in the order of `along`'s outer and inner."""
    labels, scores = layer.bottoms[1], layer.bottoms[0]
    batch = images(scores.shape) if axis else 1
    given = build.bottom(layer, 1)
    if images(labels.shape) == batch:
        return given.flat()
    ordered = build.saved(layer, "labels", (labels.count // batch, batch))
    build.forward("rebatch", given.columns(images(labels.shape)), out=ordered)
    return ordered.flat()
