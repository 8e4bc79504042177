"""What `netdef placement --ranks` prints: a cluster's cards and links, an iteration by each split, and efficiency by batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from netdef.cli.cluster import Cluster, Estimate, Seconds, estimates
from netdef.cli.core_kernels import Kernels, images_measured, measured_kernels, seconds_by
from netdef.cli.placement_text import table
from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from netdef.language.units import binary
from netdef.loading import with_batch_size

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.machine.device import Device
    from runtime.machine.limits import Limits
    from runtime.machine.links import Link

CPU = "cpu"
CARDS, CORES = (1, 8, 64, 1024), (1, 2, 4, 8)  # numbers of cards, and of cores, in the table of efficiencies
MEASURED = 32  # images at most that a core is measured with: a share of a large batch may not fit in this machine
# Batches that were used on many cards, and where.
LITERATURE = {
    1024: "Krizhevsky 2014, arXiv:1404.5997",
    8192: "Goyal et al. 2017, arXiv:1706.02677",
    32768: "You et al. 2017, arXiv:1709.05011",
    65536: "Jia et al. 2018, arXiv:1807.11205",
}


@dataclass(frozen=True)
class Paper:
    """A cluster on paper.

    Parameters
    ----------
    ranks, each: how many ranks, and cards of each.  math: how a card multiplies.
    node: how many cards the split "hybrid" takes as a node; 0: all.
    kernels: how long kernels take on a core, by which `seconds` goes: with few images, and with more; none of cards.
    """

    ranks: int
    each: int
    card: Limits
    math: str
    inside: Link
    network: Link
    seconds: Seconds
    is_cpu: bool
    node: int = 0
    kernels: tuple[Kernels, ...] = ()

    @property
    def cards(self) -> int:
        return self.ranks * self.each

    def cluster(self, cards: int) -> Cluster:
        """As many cards, with the links of this cluster."""
        return Cluster(cards, self.each, self.seconds, self.inside, self.network, self.node)


def paper(ranks: int, each: int, card: str | None, network: str | None, nodes: int | None = None) -> Paper:
    """The cluster that `--ranks`, `--devices`, `--card`, `--network` and `--nodes` describe.

    Raises
    ------
    NetdefError: there is no such card or network, or one is missing; the cards cannot be as many nodes.
    """
    from runtime.machine.limits import CARDS as KNOWN
    from runtime.machine.links import INSIDE, NETWORKS, find_network, shared_memory

    node = node_of(ranks, each, nodes)
    if card is None:
        raise NetdefError("--ranks needs the card that a rank has", hint=f"--card h100, say; cards: {CPU}, {', '.join(KNOWN)}")
    if card.lower() == CPU:
        limits = measured_core()
        link = shared_memory(limits)
        other = link if network is None else find_network(network)
        return Paper(ranks, each, limits, "fp32", link, other, seconds_of(limits, "fp32", True), True, node)
    limits, math = card_of(card)
    if network is None:
        raise NetdefError("--ranks needs the network between them", hint=f"--network 400gbit, say; networks: {', '.join(NETWORKS)}")
    return Paper(
        ranks, each, limits, math, INSIDE[card.lower()], find_network(network), seconds_of(limits, math, False), False, node
    )


def node_of(ranks: int, each: int, nodes: int | None) -> int:
    """How many cards a node has: those of a rank by default, where it has several; 0 where there is one node.

    Raises
    ------
    NetdefError: the cards cannot be as many nodes.
    """
    nodes = nodes or (ranks if each > 1 else 1)
    if ranks * each % nodes:
        message = f"{many(ranks * each, 'card')} cannot be {nodes} nodes of as many each"
        raise NetdefError(message, hint=f"--nodes divides the number of cards: {ranks * each:,} here")
    return ranks * each // nodes if nodes > 1 else 0


def measured_core(times: Callable[[Device], Device] = lambda device: device) -> Limits:
    """What one core of this machine does, measured now.  times: gives the device another clock."""
    from runtime.machine.open import open_device
    from runtime.machine.yardstick import measured_limits

    device = open_device(CPU, threads=1)
    try:
        return replace(measured_limits(times(device)), name="one core of this machine")
    finally:
        device.close()


def card_of(name: str) -> tuple[Limits, str]:
    """A card's limits, and how it multiplies by default.

    Raises
    ------
    NetdefError: there is no such card.
    """
    from runtime.kernels.cuda.options import CudaOptions
    from runtime.machine.limits import CARDS as KNOWN
    from runtime.machine.limits import find_limits

    if name.lower() not in KNOWN and not did_you_mean(name.lower(), KNOWN):
        raise NetdefError(f"there are no numbers for a card {name}", hint=f"cards: {CPU}, {', '.join(KNOWN)}")
    limits = find_limits(name)
    return limits, CudaOptions().target(limits.multiprocessors, limits.capability).math


def seconds_of(limits: Limits, math: str, is_cpu: bool) -> Seconds:
    """The least time of an instruction, as `netdef time` computes it."""
    from runtime.kernels.cuda.options import CudaOptions
    from runtime.machine.costs import launches, plain

    if is_cpu:
        return lambda instruction: plain(instruction).seconds(limits)
    target = CudaOptions().target(limits.multiprocessors, limits.capability)
    return lambda instruction: sum(cost.seconds(limits, math) for cost in launches(instruction, target))


def on_paper(net: Net, paper: Paper, batch_given: bool, form: str) -> str:
    """What the command prints."""
    from runtime.compiler.placement.choice import SPLITS

    own = net.batch or 1
    if paper.is_cpu:
        kernels = tuple(measured_kernels(net, images, paper.seconds) for images in images_measured(own, paper.cards, MEASURED))
        paper = replace(paper, kernels=kernels, seconds=seconds_by(kernels, paper.seconds))
    batches = [own] if batch_given else sorted({own, *LITERATURE})
    counts = sorted({*(CORES if paper.is_cpu else CARDS), paper.cards})
    rows = {
        (batch, split): estimates(with_batch_size(net, batch), split, counts, paper.cluster, paper.seconds, not paper.is_cpu)
        for batch in batches
        for split in SPLITS
    }
    if form == "json":
        return json.dumps(data(net, paper, rows), indent=1)
    return "\n".join(text(net, paper, counts, rows))


Rows = dict[tuple[int, str], dict[int, Estimate | None]]


def data(net: Net, paper: Paper, rows: Rows) -> dict[str, Any]:
    """All of it, for other programs: bytes, seconds, bytes a second."""
    found = [one for by_cards in rows.values() for one in by_cards.values() if one is not None]
    return {
        "name": net.name,
        "ranks": paper.ranks,
        "devices": paper.each,
        "nodes": paper.cards // paper.node if paper.node else 1,
        "card": {"name": paper.card.name, "bandwidth": paper.card.bandwidth, "products": paper.card.products(paper.math)},
        "inside": asdict(paper.inside),
        "network": asdict(paper.network),
        "kernels": {str(one.images): one.factor for one in paper.kernels} or None,
        "iterations": [asdict(one) | {"images_per_second": one.images_per_second} for one in found],
    }


def text(net: Net, paper: Paper, counts: Sequence[int], rows: Rows) -> Iterator[str]:
    """All of it, for people."""
    from runtime.machine.open import MOST

    own, cards = net.batch or 1, paper.cards
    what = "core" if paper.is_cpu else "card"
    ranks = f"{many(paper.ranks, 'rank')} of {many(paper.each, what)}"
    yield f"{net.name or net.filename}, phase train, on paper: {ranks}, computed and not measured"
    yield ""
    rate = f"{paper.card.bandwidth / 1e9:,.1f} GB/s and {paper.card.products(paper.math) / 1e12:.3g} TFLOP/s of {paper.math}"
    yield f"{what}:     {paper.card.name}: {rate} ({paper.card.source})"
    for name, link in (("inside", paper.inside), ("network", paper.network)):
        bandwidth = f"{link.bandwidth / 1e9:,.3g} GB/s one way ({link.source})"
        yield f"{name + ':':<9} {link.name}: {bandwidth}, {1e6 * link.latency:.0f} us a message (assumed)"
    if paper.kernels:
        yield f"kernels:  {factors(paper.kernels)} (measured now)"
    yield ""
    yield f"one iteration on {many(cards, what)}, batches of {own:,}; what the busiest {what} sends:"
    head = ["split", "sends", "to other ranks", "messages", "ms", "at work", "images/s", "efficiency"]
    body = [cells(split, by_cards[cards]) for (batch, split), by_cards in rows.items() if batch == own]
    yield from table(head, body, right=range(1, len(head)))
    if paper.node:
        nodes = f"{cards // paper.node:,} nodes of {many(paper.node, what)}"
        yield f"hybrid: {nodes}; the channels of a fully connected layer are divided within a node, images between nodes"
    if own > cards and own % cards:
        least = own // cards
        yield f"{own:,} images on {many(cards, what)} do not divide: the busiest has {least + 1}, others {least}"
    if cards > MOST:
        yield f"netdef divides a net over {MOST} shares at most: more are on paper only"
    yield ""
    yield f"efficiency: images a second, of those of as many {what}s that send nothing"
    head = ["batch", "split", *(many(count, what) for count in counts), f"images/s of {cards:,}"]
    yield from table(head, [efficiencies(key, by_cards, cards) for key, by_cards in rows.items()], right=range(2, len(head)))
    if any(None in by_cards.values() for by_cards in rows.values()):
        yield f"-: a batch has fewer images than there are {what}s"
    if any(one is not None and one.efficiency > 1 for by_cards in rows.values() for one in by_cards.values()):
        yield f"above 100%: where weights are cut, each {what} updates a part of them; one alone updates all"
    for batch in dict.fromkeys(batch for batch, _ in rows if batch in LITERATURE):
        yield f"{batch:,}: {LITERATURE[batch]}"


def factors(kernels: Sequence[Kernels]) -> str:
    """How far kernels are from their least times, in words."""
    first, *others = ((f"{one.factor:.2f}", f"with batches of {one.images}") for one in kernels)
    more = "".join(f", {factor} {batches}" for factor, batches in others)
    return f"{first[0]} times the least that they could take {first[1]}{more}"


def many(count: int, noun: str) -> str:
    """1 card, 1,024 cards."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cells(split: str, one: Estimate | None) -> list[str]:
    """A row of the first table."""
    if one is None:
        return [split, *["-"] * 7]
    sizes = [binary(one.sent), binary(one.outside), f"{one.messages:,.0f}"]
    times = [f"{1e3 * one.seconds:,.1f}", f"{one.computing / one.seconds:.1%}"]
    return [split, *sizes, *times, f"{one.images_per_second:,.0f}", f"{one.efficiency:.1%}"]


def efficiencies(key: tuple[int, str], by_cards: dict[int, Estimate | None], cards: int) -> list[str]:
    """A row of the second table."""
    shown = ["-" if one is None else f"{one.efficiency:.1%}" for one in by_cards.values()]
    own = by_cards[cards]
    return [f"{key[0]:,}", key[1], *shown, "-" if own is None else f"{own.images_per_second:,.0f}"]
