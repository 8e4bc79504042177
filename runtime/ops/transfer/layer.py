"""The layer that placement puts between others: it makes a region of a blob on one device out of the regions that devices have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdef.graph.cuts import Region, Run, joined, overlap
from netdef.graph.layer import Layer

if TYPE_CHECKING:
    from netdef.graph.layer import Blob


@dataclass(frozen=True)
class Move:
    """Channels and images that go from one region of a blob to another, counted from the start of each.

    Attributes
    ----------
    bottom: which of the transfer's bottoms they come from.
    channels, images: where they lie there.
    to_channel, to_image: where they begin in the top.
    """

    bottom: int
    channels: Run
    images: Run
    to_channel: int
    to_image: int


class Transfer(Layer):
    """One region of a blob on one device.

    Parameters
    ----------
    reader: the layer that it is for, whose name it has.
    demand: what the transfers to all devices that bring one reader the same blob have in common.
    """

    is_transfer = True

    def __init__(self, reader: Layer, device: int, demand: object, held: Sequence[tuple[Blob, Region]], top: Blob, region: Region):
        self.name = reader.name
        self.type = "Transfer"
        self.message = self.p = None
        self.phase = reader.phase
        self._where = reader.within
        self.param_fields = ()
        self.device, self.demand = device, demand
        self.bottoms, self.tops = tuple(blob for blob, _ in held), (top,)
        self.parameters = ()
        self.loss_weights, self.in_place = (0.0,), (False,)
        self.propagate_down = (None,) * len(held)
        self.moves = [move for index, (_, one) in enumerate(held) for move in moves(index, one, region)]


def moves(bottom: int, held: Region, wanted: Region) -> Iterator[Move]:
    """What goes from a region that is held to one that is wanted: a move for each run of channels."""
    both = held.meet(wanted)
    if both is None:
        return
    images = both.images[0] - held.images[0], both.images[1] - held.images[0]
    to_image = both.images[0] - wanted.images[0]
    if not both.channels:
        yield Move(bottom, (0, 1), images, 0, to_image)
    for run in both.channels:
        begin = offset_in(held, run)
        yield Move(bottom, (begin, begin + run[1] - run[0]), images, offset_in(wanted, run), to_image)


def offset_in(region: Region, run: Run) -> int:
    """Where a run of channels begins in a region that holds it."""
    return sum(end - begin for begin, end in overlap(region.channels, ((0, run[0]),)))


def contains(outer: Region, inner: Region) -> bool:
    """Whether a region holds all of another."""
    return outer.meet(inner) == inner


def union(regions: Sequence[Region]) -> Region:
    """The smallest region of whole channels and whole images that holds all of these."""
    images = min(r.images[0] for r in regions), max(r.images[1] for r in regions)
    runs: list[Run] = []
    for begin, end in sorted(run for region in regions for run in region.channels):
        if runs and begin <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((begin, end))
    return Region(images, joined(runs))
