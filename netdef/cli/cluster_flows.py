"""What the cards of a cluster send, by way: between all of them, within a node, or between the like ones of the nodes.

Figures for many cards are made from a program for a few: of N cards in M nodes, each sends as many others as much less each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdef.cli.placement_facts import LISTS, traffic
from netdef.graph.cuts import region_of

if TYPE_CHECKING:
    from runtime.ir.program import Program

IMAGES, CHANNELS, BOTH, WHOLE = "images", "channels", "images by node, channels within", "whole"
ALL, WITHIN, ACROSS = "between all", "within a node", "between the like ones of nodes"
Pair = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """Some cards in nodes of as many each."""

    cards: int
    nodes: int = 1

    @property
    def near(self) -> int:
        """Cards of a node."""
        return self.cards // self.nodes

    def way(self, pairs: Iterable[Pair]) -> str:
        """The way of what goes between such pairs of cards."""
        near = self.near
        found = {WITHIN if a // near == b // near else ACROSS if a % near == b % near else ALL for a, b in pairs}
        return found.pop() if len(found) == 1 and self.nodes > 1 else ALL

    def others(self, way: str) -> int:
        """How many others a card sends to on a way."""
        return {ALL: self.cards, WITHIN: self.near, ACROSS: self.nodes}[way] - 1

    def outside(self, way: str, each: int) -> float:
        """How many of these are of another rank, as a fraction.  each: cards that a rank has."""
        others, each = self.others(way), min(each, self.cards)
        here = {ALL: each, WITHIN: min(each, self.near), ACROSS: max(1, each // self.near)}[way] - 1
        return (others - here) / others if others > 0 else 0.0


@dataclass(frozen=True)
class Flow:
    """What the busiest share sends or is sent: bytes, and messages."""

    bytes: float = 0
    messages: float = 0

    def grown(self, way: str, few: Shape, many: Shape) -> Flow:
        """The same of more cards."""
        if few == many or not few.others(way):
            return self
        others, before = many.others(way), few.others(way)
        size = self.bytes * others / (others + 1) * (before + 1) / before
        if way == WITHIN:  # images of a node
            size *= few.nodes / many.nodes
        if way == ACROSS:  # channels of a card
            size *= few.near / many.near
        return Flow(size, self.messages * others / before)


Flows = dict[tuple[str, str], tuple[str, Flow]]  # by layer and list: the way, and how much


def kind_of_cut(program: Program, name: str) -> tuple[str, int]:
    """What is cut of a layer's first top, and how many of that there are."""
    assert program.division is not None
    layer = program.division.whole.layer(name)
    if not layer.tops:
        return WHOLE, 1
    shape = layer.tops[0].shape
    whole, pieces = region_of(shape), program.division.pieces.get(layer.tops[0], ())
    images = any(piece.region.images != whole.images for piece in pieces)
    if any(piece.region.channels != whole.channels for piece in pieces):
        return BOTH if images else CHANNELS, shape[1]
    return (IMAGES, shape[0]) if images else (WHOLE, 1)


def flows(program: Program, shape: Shape) -> tuple[Flows, Flows]:
    """What is sent by (layer, list): gradients of weights and weights, and blobs and their gradients."""
    found: dict[bool, dict[tuple[str, str], list[tuple[str, Flow]]]] = {True: defaultdict(list), False: defaultdict(list)}
    for row in traffic(program):
        for name in LISTS:
            if row.bytes[name]:
                flow = Flow(busiest(row.bytes[name]), busiest(row.messages[name]))
                found[row.what == "weights"][row.layer, name].append((shape.way(row.bytes[name]), flow))
    return _summed(found[True]), _summed(found[False])


def _summed(found: Mapping[tuple[str, str], list[tuple[str, Flow]]]) -> Flows:
    """The flows of a layer as one; between all where they have several ways."""
    summed = {}
    for key, flows_ in found.items():
        ways = {way for way, _ in flows_}
        flow = Flow(sum(one.bytes for _, one in flows_), sum(one.messages for _, one in flows_))
        summed[key] = (ways.pop() if len(ways) == 1 else ALL, flow)
    return summed


def whole(program: Program, shape: Shape) -> tuple[Flow, dict[str, Flow]]:
    """What the busiest share sends, or is sent, in all and by way: shares that are busiest in one layer need not be in the next."""
    sizes: dict[str, Counter[Pair]] = defaultdict(Counter)
    messages: dict[str, Counter[Pair]] = defaultdict(Counter)
    for row in traffic(program):
        for name in LISTS:
            way = shape.way(row.bytes[name])
            sizes[way].update(row.bytes[name])
            messages[way].update(row.messages[name])
    total = Flow(busiest(_of_all(sizes)), busiest(_of_all(messages)))
    return total, {way: Flow(busiest(sizes[way]), busiest(messages[way])) for way in sizes}


def _of_all(by_way: Mapping[str, Counter[Pair]]) -> Counter[Pair]:
    found: Counter[Pair] = Counter()
    for counter in by_way.values():
        found.update(counter)
    return found


def busiest(by_pair: Mapping[tuple[int, int], int]) -> int:
    """The most that one share sends, or is sent, of what goes by (from, to)."""
    ends: list[Counter[int]] = [Counter(), Counter()]
    for pair, count in by_pair.items():
        for share, counter in zip(pair, ends, strict=True):
            counter[share] += count
    return max(max(counter.values(), default=0) for counter in ends)
