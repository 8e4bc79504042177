"""The ways to cut one layer over devices: which region of its tops each device makes, and what that takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from netdef.graph.cuts import Cut, Region, Regions, Share, even_cuts, region_of
from netdef.graph.layer import Layer

SPLITS = ("groups", "batch", "hybrid")

Spread = tuple["Region | None", ...]  # which region of a blob each device has


@dataclass(frozen=True, eq=False)
class Choice:
    """How one layer is cut.  Two are equal if they are one object.

    Attributes
    ----------
    tops: for each top, which region each device is to have.
    shares: for each device what making that takes; None where it makes nothing.
    anywhere: data from outside, to be had wherever it is needed: `tops` and `shares` are empty.
    """

    tops: tuple[Spread, ...] = ()
    shares: tuple[Share | None, ...] = ()
    anywhere: bool = False

    def cuts(self, index: int) -> dict[int, Cut | None]:
        """The cut of a parameter that each device has, of those that have any."""
        return {device: share.parameters[index] for device, share in enumerate(self.shares) if share is not None}


def is_copied(spread: Spread) -> bool:
    """Whether several devices have the same."""
    held = [region for region in spread if region is not None]
    return len(held) > 1 and len(set(held)) == 1


def is_sound(spread: Spread) -> bool:
    """Whether every element is on one device, or everything on all that have any: else gradients would count twice."""
    held = [region for region in spread if region is not None]
    return is_copied(spread) or not any(a.meet(b) for a, b in combinations(held, 2))


def cut(layer: Layer, tops: tuple[Spread, ...], devices: int) -> Choice | None:
    """The choice that gives the tops these spreads; None if a device cannot make its region."""
    shares: list[Share | None] = []
    for device in range(devices):
        regions = tuple(spread[device] for spread in tops)
        empty = all(region is None for region in regions) and bool(regions)
        share = None if empty else layer.cuts.share(layer, regions)
        if share is None and not empty:
            return None
        shares.append(share if share is None or share.parameters else _with_parameters(layer, share))
    return Choice(tops, tuple(shares))


def _with_parameters(layer: Layer, share: Share) -> Share:
    return Share(share.bottoms, share.made, (None,) * len(layer.parameters), share.fields)


def whole(layer: Layer, on: range, devices: int) -> Choice:
    """All of a layer on each of some devices.  Backward is linear, so that the gradients of copies add up."""
    bottoms = tuple(region_of(blob.shape) for blob in layer.bottoms)
    tops = tuple(region_of(blob.shape) for blob in layer.tops)
    share = Share(bottoms, tops, (None,) * len(layer.parameters))
    spreads = tuple(tuple(region if device in on else None for device in range(devices)) for region in tops)
    return Choice(spreads, tuple(share if device in on else None for device in range(devices)))


def followed(layer: Layer, bottoms: tuple[Spread | None, ...], devices: int) -> tuple[Spread, ...] | None:
    """How the tops lie if each device makes what follows from its regions of the bottoms; None if that is not all of them once."""
    known = [spread for spread in bottoms if spread is not None]
    if not known or len(known) < len(bottoms):
        return None
    made = [_follow(layer, tuple(spread[device] for spread in known)) for device in range(devices)]
    regions = [region for region in made if region is not None]
    tops = tuple(zip(*regions, strict=True)) if len(regions) == devices else ()
    return tops if tops and all(map(is_sound, tops)) else None


def _follow(layer: Layer, bottoms: Regions) -> Regions | None:
    if all(bottom is None for bottom in bottoms):
        return (None,) * len(layer.tops)
    return layer.cuts.follow(layer, bottoms)


def even(shape: tuple[int, ...], split: str, devices: int, groups: Sequence[int], nodes: int = 1) -> Iterator[Spread]:
    """The even cuts of a blob, along the axis that `split` wants cut.

    groups: runs of channels whose borders may be kept to.
    nodes: groups of as many devices; where "hybrid" cuts channels, it cuts them within a node, and images between nodes.
    """
    channels, nodes = region_of(shape).channels, nodes if split == "hybrid" else 1
    by_images = split == "batch" or (split == "hybrid" and len(shape) > 2)
    if by_images and shape and shape[0] > 1:
        yield tuple(Region(run, channels) if run[0] < run[1] else None for run in even_cuts(shape[0], devices))
    if not by_images and len(shape) > 1 and shape[1] > 1:
        by_node = images_by_node(shape, devices, nodes)
        for runs in (even_cuts(shape[1], devices // nodes, count) for count in groups if shape[1] % count == 0):
            cuts = [(some, runs[device % len(runs)]) for device, some in enumerate(by_node)]
            yield tuple(Region(some, (run,)) if run[0] < run[1] and some[0] < some[1] else None for some, run in cuts)


def images_by_node(shape: tuple[int, ...], devices: int, nodes: int) -> list[tuple[int, int]]:
    """By device, the images that its node has."""
    return [run for run in even_cuts(shape[0], nodes) for _ in range(devices // nodes)]


def given(shape: tuple[int, ...], devices: int, parameters: Iterable[Mapping[int, Cut | None]], nodes: int = 1) -> Iterator[Spread]:
    """The cuts of a blob that has a channel for each entry of parameters which lie so already; nodes: as `even`."""
    for lie in parameters:
        cuts = [lie.get(device) for device in range(devices)]
        if len(shape) > 1 and any(cuts) and all(cut is None or cut.runs[-1][1] <= shape[1] for cut in cuts):
            by_node = images_by_node(shape, devices, nodes)
            yield tuple(
                Region(some, cut.runs) if cut and some[0] < some[1] else None for some, cut in zip(by_node, cuts, strict=True)
            )
