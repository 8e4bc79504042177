"""What layers without weights stand on: the nearest layers above them that have weights or bring data.

A ReLU is the counterpart of another not because both are ReLUs, but because they follow layers that are counterparts.
"""

from __future__ import annotations

from collections.abc import Sequence

from netdef.diff.units import Pair, Unit
from netdef.graph.layer import Layer


class Roots:
    """The roots of all layers of two nets, named by the pairs that they belong to."""

    def __init__(self, pairs: Sequence[Pair]):
        self.pairs = pairs
        self.number = {layer: number for number, pair in enumerate(pairs) for unit in pair if unit for layer in unit.layers}
        self.known: dict[Layer, frozenset[int]] = {}

    def of(self, layer: Layer) -> frozenset[int]:
        """The numbers of the pairs that its roots belong to."""
        waiting = [layer]
        while waiting:
            last = waiting[-1]
            makers = list(dict.fromkeys(bottom.producer for bottom in last.bottoms))
            inner = [maker for maker in makers if maker.bottoms and not maker.parameters]
            unknown = [maker for maker in inner if maker not in self.known]
            if unknown:
                waiting += unknown
                continue
            own = frozenset(self.number[maker] for maker in makers if maker not in inner)
            self.known[last] = own.union(*(self.known[maker] for maker in inner))
            waiting.pop()
        return self.known[layer]

    def belong(self, a: Unit, b: Unit) -> bool:
        """Whether a pair may be one; without weights, it must have one output, or end both nets, or have a root in common."""
        if a.weights or b.weights or a.output == b.output or not (a.first.bottoms and b.first.bottoms):
            return True
        return (a.key == b.key and not (a.readers or b.readers)) or bool(self.of(a.first) & self.of(b.first))

    def key(self, unit: Unit) -> object:
        """What two layers without weights share if they are of one type and all their roots are counterparts; else None."""
        found = self.of(unit.first)
        paired = found and all(None not in self.pairs[number] for number in found)
        return (unit.first.type, found) if paired and not unit.weights else None


def grounded(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, those parted whose layers do not belong together."""
    roots = Roots(pairs)
    result: list[Pair] = []
    for a, b in pairs:
        if a is None or b is None or roots.belong(a, b):
            result.append((a, b))
        else:
            result += [(a, None), (None, b)]
    return result
