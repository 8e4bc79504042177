"""Softmax."""

from __future__ import annotations

from functools import cached_property

from netdef.graph import Shape
from netdef.layers.base import Layer, layer
from netdef.layers.cuts import Same


@layer("Softmax")
class Softmax(Layer):
    """y = exp(x) / sum(exp(x)) along `axis`."""

    cuts = Same("axis")

    @cached_property
    def axis(self) -> int:
        return self.axis_of(self.p.axis, len(self.bottoms[0].shape))

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.axis  # noqa: B018  an axis that is not there is the only mistake to be made here
        return [bottoms[0]]
