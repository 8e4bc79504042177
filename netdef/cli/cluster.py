"""What training on a cluster costs on paper: how long an iteration takes on many cards, and what each of them sends.

A program for a few shares is compiled for each split, as `netdef placement` shows it.  Of more cards, each has less of what is cut:
images or channels, in whole numbers.  What a layer takes is a line in its fraction, through the times of one card and of a few;
what a card sends grows as (N - 1) / N, since each has one part of N for each of the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdef.cli.placement_facts import LISTS, program_of, traffic
from netdef.graph.cuts import region_of
from netdef.loading import with_batch_size

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.ir.program import Instruction, Program
    from runtime.machine.links import Link

FEW = 8  # shares of the programs that figures for more cards are made from
IMAGES, CHANNELS, WHOLE = "images", "channels", "whole"
Seconds = Callable[["Instruction"], float]


@dataclass(frozen=True)
class Cluster:
    """Cards that train together.

    Parameters
    ----------
    cards: how many.  each: how many a rank has.
    seconds: what a card takes for an instruction.  inside, network: between the cards of a rank, and between ranks.
    """

    cards: int
    each: int
    seconds: Seconds
    inside: Link
    network: Link

    @property
    def outside(self) -> float:
        """Of what a card sends to all others, the part that goes to other ranks."""
        return max(0, self.cards - self.each) / (self.cards - 1) if self.cards > 1 else 0.0

    def sending(self, size: float, messages: float) -> float:
        """Seconds until a card's messages have been sent, those to other ranks over an adapter that the cards of a rank share."""
        out, inner = self.outside, 1 - self.outside
        shared = min(self.each, self.cards)
        carried = max(inner * size / self.inside.bandwidth, shared * out * size / self.network.bandwidth)
        return carried + messages * (inner * self.inside.latency + out * self.network.latency)


@dataclass(frozen=True)
class Estimate:
    """An iteration on a cluster.

    Attributes
    ----------
    seconds: it takes.  computing: of these, at work.
    sent: bytes that the busiest card sends or is sent.  outside: of these, to other ranks.  messages: it sends.
    efficiency: images a second, of those of as many cards that have nothing to send.
    """

    split: str
    batch: int
    cards: int
    seconds: float
    computing: float
    sent: float
    outside: float
    messages: float
    efficiency: float

    @property
    def images_per_second(self) -> float:
        return self.batch / self.seconds


@dataclass(frozen=True)
class Flow:
    """What the busiest share sends or is sent, for one layer in one list or in all: bytes, and messages."""

    bytes: float = 0
    messages: float = 0


class Costs:
    """What the layers of a net take, on one card and in the shares of a few.

    Parameters
    ----------
    net: with the batch that all cards have together.  split: what is cut.  few: how many shares.
    """

    def __init__(self, net: Net, split: str, few: int, seconds: Seconds):
        self.net, self.split, self.few, self._seconds = net, split, few, seconds
        self.batch = net.batch or 1
        self._one = by_layer(program_of(net), seconds)
        program = program_of(net, range(few), split)
        self._shares = by_layer(program, seconds)
        self._cut = {layer.name: kind_of_cut(program, layer.name) for layer in net.layers}
        self.weights, self.blobs = flows(program)
        self.whole = whole(program)

    def estimate(self, cluster: Cluster) -> Estimate:
        """An iteration."""
        if cluster.cards == 1:
            return Estimate(self.split, self.batch, 1, self.one, self.one, 0, 0, 0, 1)
        compute = {name: {layer.name: self._time(name, layer.name, cluster.cards) for layer in self.net.layers} for name in LISTS}
        seconds, computing = self._timeline(compute, cluster), sum(sum(times.values()) for times in compute.values())
        whole = self._grown(self.whole, cluster.cards)
        sent, messages = whole.bytes, whole.messages
        efficiency = self._alone(cluster.cards) / seconds
        return Estimate(
            self.split, self.batch, cluster.cards, seconds, computing, sent, sent * cluster.outside, messages, efficiency
        )

    @property
    def one(self) -> float:
        """Seconds of an iteration on one card."""
        return sum(self._one.values())

    def _timeline(self, compute: Mapping[str, Mapping[str, float]], cluster: Cluster) -> float:
        """Seconds of an iteration: gradients and new weights are sent while backward goes on; whoever reads a blob waits for it.

        Each layer waits for the share that is busiest in it.
        """

        def sending(flow: Flow | None) -> float:
            grown = Flow() if flow is None else self._grown(flow, cluster.cards)
            return cluster.sending(grown.bytes, grown.messages)

        names = [layer.name for layer in self.net.layers]
        now = sum(compute["forward"][name] + sending(self.blobs.get((name, "forward"))) for name in names)
        behind = now  # until when weights and gradients are sent
        hidden = cluster.network.hidden if cluster.outside else cluster.inside.hidden
        for name in reversed(names):
            now += compute["backward"][name] + sending(self.blobs.get((name, "backward"))) + compute["update"][name]
            taken = sending(self.weights.get((name, "backward"))) + sending(self.weights.get((name, "update")))
            if taken and hidden:
                behind = max(behind, now) + taken
            else:
                now += taken
        return max(now, behind)

    def _time(self, list_: str, layer: str, cards: int) -> float:
        """Seconds of the busiest card's share of a layer."""
        one, few = self._one[list_, layer], self._shares[list_, layer]
        first, there = self._fraction(list_, layer, self.few), self._fraction(list_, layer, cards)
        if first == 1 or there == first:
            return few
        return max(0.0, few + (one - few) * (there - first) / (1 - first))

    def _fraction(self, list_: str, layer: str, cards: int) -> float:
        """How much of a layer the busiest of some cards has."""
        kind, units = self._cut[layer]
        if kind == IMAGES:
            return 1 / cards if list_ == "update" else -(-self.batch // cards) / self.batch
        return -(-units // cards) / units if kind == CHANNELS else 1.0

    def _grown(self, flow: Flow, cards: int) -> Flow:
        """What one of more cards sends."""
        if cards == self.few:
            return flow
        others, before = cards - 1, self.few - 1
        return Flow(flow.bytes * others / cards * self.few / before, flow.messages * others / before)

    def _alone(self, cards: int) -> float:
        """Seconds that one card takes for as many images as each of some has."""
        images = -(-self.batch // cards)
        alone = by_layer(program_of(with_batch_size(self.net, images)), self._seconds)
        return sum(alone.values()) * self.batch / cards / images


def estimates(
    net: Net, split: str, counts: Iterable[int], cluster: Callable[[int], Cluster], seconds: Seconds
) -> dict[int, Estimate | None]:
    """An iteration on each of these numbers of cards; None where a batch has no image for each card."""
    costs: dict[int, Costs] = {}
    found: dict[int, Estimate | None] = {}
    for cards in counts:
        if split != "groups" and cards > (net.batch or 1):
            found[cards] = None
            continue
        few = min(FEW, max(2, cards))
        if few not in costs:
            costs[few] = Costs(net, split, few, seconds)
        found[cards] = costs[few].estimate(cluster(cards))
    return found


def by_layer(program: Program, seconds: Seconds) -> Counter[tuple[str, str]]:
    """Seconds by list and layer, of the share that takes longest."""
    found: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for name in LISTS:
        for instruction in getattr(program, name):
            if not (instruction.is_send or instruction.once):
                found[name, instruction.layer][instruction.device] += seconds(instruction)  # type: ignore[assignment]
    return Counter({key: max(shares.values()) for key, shares in found.items()})


def kind_of_cut(program: Program, name: str) -> tuple[str, int]:
    """What is cut of a layer's first top, and how many of that there are."""
    assert program.division is not None
    layer = program.division.whole.layer(name)
    if not layer.tops:
        return WHOLE, 1
    shape = layer.tops[0].shape
    whole, pieces = region_of(shape), program.division.pieces.get(layer.tops[0], ())
    if any(piece.region.images != whole.images for piece in pieces):
        return IMAGES, shape[0]
    if any(piece.region.channels != whole.channels for piece in pieces):
        return CHANNELS, shape[1]
    return WHOLE, 1


def flows(program: Program) -> tuple[dict[tuple[str, str], Flow], dict[tuple[str, str], Flow]]:
    """What is sent by (layer, list): gradients of weights and weights, and blobs and their gradients."""
    weights: dict[tuple[str, str], Flow] = {}
    blobs: dict[tuple[str, str], Flow] = {}
    for row in traffic(program):
        for name in LISTS:
            if row.bytes[name]:
                into = weights if row.what == "weights" else blobs
                before = into.get((row.layer, name), Flow())
                into[row.layer, name] = Flow(before.bytes + busiest(row.bytes[name]), before.messages + busiest(row.messages[name]))
    return weights, blobs


def whole(program: Program) -> Flow:
    """What the busiest share sends, or is sent, in all: shares that are busiest in one layer need not be in the next."""
    sizes, messages = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for row in traffic(program):
        for name in LISTS:
            sizes.update(row.bytes[name])
            messages.update(row.messages[name])
    return Flow(busiest(sizes), busiest(messages))


def busiest(by_pair: Mapping[tuple[int, int], int]) -> int:
    """The most that one share sends, or is sent, of what goes by (from, to)."""
    ends: list[Counter[int]] = [Counter(), Counter()]
    for pair, count in by_pair.items():
        for share, counter in zip(pair, ends, strict=True):
            counter[share] += count
    return max(max(counter.values(), default=0) for counter in ends)
