"""Softmax."""

from __future__ import annotations

from netdef.graph.cuts import Same
from netdef.graph.layer import AlongAxis, layer
from netdef.graph.shape import Shape


@layer("Softmax")
class Softmax(AlongAxis):
    """y = exp(x) / sum(exp(x)) along `axis`."""

    cuts = Same("axis")
    backward_reads = frozenset({"top"})
    kind = "result"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.axis  # noqa: B018  an axis that is not there is the only mistake to be made here
        return [bottoms[0]]
