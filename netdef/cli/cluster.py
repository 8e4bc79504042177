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

from netdef.cli.cluster_flows import ALL, BOTH, CHANNELS, IMAGES, Flow, Shape, flows, kind_of_cut, whole
from netdef.cli.placement_facts import LISTS, program_of
from netdef.loading import with_batch_size

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.ir.program import Instruction, Program
    from runtime.machine.links import Link

FEW = 8  # shares of the programs that figures for more cards are made from
Seconds = Callable[["Instruction"], float]


@dataclass(frozen=True)
class Cluster:
    """Cards that train together.

    Parameters
    ----------
    cards: how many.  each: how many a rank has.
    seconds: what a card takes for an instruction.  inside, network: between the cards of a rank, and between ranks.
    node: how many cards the split "hybrid" takes as a node; 0: all.
    """

    cards: int
    each: int
    seconds: Seconds
    inside: Link
    network: Link
    node: int = 0

    def shape(self, split: str) -> Shape:
        """Its cards, in nodes where a split knows them."""
        nodes = self.cards // self.node if split == "hybrid" and self.node and self.cards % self.node == 0 else 1
        return Shape(self.cards, nodes)

    def sending(self, size: float, messages: float, out: float) -> float:
        """Seconds until a card's messages have been sent, those to other ranks over an adapter that the cards of a rank share.

        out: the part of them that goes to other ranks.
        """
        inner = 1 - out
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


class Costs:
    """What the layers of a net take, on one card and in the shares of a few.

    Parameters
    ----------
    net: with the batch that all cards have together.  split: what is cut.  few: how many shares, in how many nodes.
    graphics: whether the cards are graphics cards, not cores.
    """

    def __init__(self, net: Net, split: str, few: Shape, seconds: Seconds, graphics: bool = False):
        self.net, self.split, self.few, self._seconds, self._graphics = net, split, few, seconds, graphics
        self.batch = net.batch or 1
        self._one = by_layer(program_of(net, cards=graphics, apart=True), seconds)  # as shares are, which it is compared with
        self._singles: dict[int, Counter[tuple[str, str]]] = {}
        program = program_of(net, range(few.cards), split, few.nodes, cards=graphics)
        self._shares = by_layer(program, seconds)
        self._cut = {layer.name: kind_of_cut(program, layer.name) for layer in net.layers}
        self.weights, self.blobs = flows(program, few)
        self.whole, self._by_way = whole(program, few)

    def estimate(self, cluster: Cluster) -> Estimate:
        """An iteration."""
        if cluster.cards == 1:
            return Estimate(self.split, self.batch, 1, self.one, self.one, 0, 0, 0, 1)
        shape = cluster.shape(self.split)
        compute = {name: {layer.name: self._time(name, layer.name, shape) for layer in self.net.layers} for name in LISTS}
        seconds, computing = self._timeline(compute, cluster), sum(sum(times.values()) for times in compute.values())
        grown = {way: flow.grown(way, self.few, shape) for way, flow in self._by_way.items()}
        sent, messages = sum(flow.bytes for flow in grown.values()), sum(flow.messages for flow in grown.values())
        if shape == self.few:  # cards that send most on one way need not on another
            sent, messages = self.whole.bytes, self.whole.messages
        outside = sum(flow.bytes * shape.outside(way, cluster.each) for way, flow in grown.items())
        efficiency = self._alone(cluster.cards) / seconds
        return Estimate(self.split, self.batch, cluster.cards, seconds, computing, sent, min(outside, sent), messages, efficiency)

    @property
    def one(self) -> float:
        """Seconds of an iteration on one card."""
        return sum(self._one.values())

    def _timeline(self, compute: Mapping[str, Mapping[str, float]], cluster: Cluster) -> float:
        """Seconds of an iteration: gradients and new weights are sent while backward goes on; whoever reads a blob waits for it.

        Each layer waits for the share that is busiest in it.
        """

        shape = cluster.shape(self.split)

        def sending(flow: tuple[str, Flow] | None) -> float:
            if flow is None:
                return 0.0
            way, grown = flow[0], flow[1].grown(flow[0], self.few, shape)
            return cluster.sending(grown.bytes, grown.messages, shape.outside(way, cluster.each))

        names = [layer.name for layer in self.net.layers]
        now = sum(compute["forward"][name] + sending(self.blobs.get((name, "forward"))) for name in names)
        behind = now  # until when weights and gradients are sent
        hidden = cluster.network.hidden if shape.outside(ALL, cluster.each) else cluster.inside.hidden
        for name in reversed(names):
            now += compute["backward"][name] + sending(self.blobs.get((name, "backward"))) + compute["update"][name]
            taken = sending(self.weights.get((name, "backward"))) + sending(self.weights.get((name, "update")))
            if taken and hidden:
                behind = max(behind, now) + taken
            else:
                now += taken
        return max(now, behind)

    def _time(self, list_: str, layer: str, shape: Shape) -> float:
        """Seconds of the busiest card's share of a layer."""
        one, few = self._one[list_, layer], self._shares[list_, layer]
        first, there = self._fraction(list_, layer, self.few), self._fraction(list_, layer, shape)
        if self._cut[layer][0] == BOTH:  # more nodes have fewer images each, and the same weights
            before, now = (self._single(-(-self.batch // nodes))[list_, layer] for nodes in (self.few.nodes, shape.nodes))
            fewer = self.few.nodes / shape.nodes if list_ == "update" or not before else now / before
            return few * there / first * fewer
        if first == 1 or there == first:
            return few
        return max(0.0, few + (one - few) * (there - first) / (1 - first))

    def _fraction(self, list_: str, layer: str, shape: Shape) -> float:
        """How much of a layer the busiest of some cards has."""
        kind, units = self._cut[layer]
        cards = shape.cards
        if kind == BOTH:
            return -(-units // shape.near) / units
        if kind == IMAGES:
            return 1 / cards if list_ == "update" else -(-self.batch // cards) / self.batch
        return -(-units // cards) / units if kind == CHANNELS else 1.0

    def _alone(self, cards: int) -> float:
        """Seconds that one card takes for as many images as each of some has."""
        images = -(-self.batch // cards)
        return sum(self._single(images).values()) * self.batch / cards / images

    def _single(self, images: int) -> Counter[tuple[str, str]]:
        """Seconds by list and layer of one card that has so many images."""
        if images not in self._singles:
            program = program_of(with_batch_size(self.net, images), cards=self._graphics, apart=True)
            self._singles[images] = by_layer(program, self._seconds)
        return self._singles[images]


def estimates(
    net: Net, split: str, counts: Iterable[int], cluster: Callable[[int], Cluster], seconds: Seconds, graphics: bool = False
) -> dict[int, Estimate | None]:
    """An iteration on each of these numbers of cards, see `Costs`; None where a batch has no image for each card."""
    costs: dict[Shape, Costs] = {}
    found: dict[int, Estimate | None] = {}
    for cards in counts:
        if split != "groups" and cards > (net.batch or 1):
            found[cards] = None
            continue
        few = few_of(cluster(cards).shape(split))
        if few not in costs:
            costs[few] = Costs(net, split, few, seconds, graphics)
        found[cards] = costs[few].estimate(cluster(cards))
    return found


def few_of(shape: Shape) -> Shape:
    """The shares, at most FEW, of the program that figures for so many cards are made from."""
    if shape.nodes == 1:
        return Shape(min(FEW, max(2, shape.cards)))
    near = shape.near if shape.cards <= FEW else min(shape.near, FEW // 2)
    nodes = min(shape.nodes, FEW // near)
    return Shape(near * nodes, nodes)


def by_layer(program: Program, seconds: Seconds) -> Counter[tuple[str, str]]:
    """Seconds by list and layer, of the share that takes longest."""
    found: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for name in LISTS:
        for instruction in getattr(program, name):
            if not (instruction.is_send or instruction.once):
                found[name, instruction.layer][instruction.device] += seconds(instruction)  # type: ignore[assignment]
    return Counter({key: max(shares.values()) for key, shares in found.items()})
