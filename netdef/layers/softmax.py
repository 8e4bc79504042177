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
    gives_probabilities = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.axis  # noqa: B018  raises if there is no such axis
        return [bottoms[0]]
