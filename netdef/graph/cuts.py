"""How a layer can be cut over several devices: which regions of its bottoms and parameters make which regions of its tops.

A family says so by its class attribute `cuts`, one of the rules below or its own (convolution.py, lrn.py ...).  A rule answers two
questions: `follow`, which regions of the tops come of given regions of the bottoms; and `share`, what given regions of the tops
take.  A layer without a rule runs whole on one device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from netdef.graph.shape import Shape

Layer = Any  # a netdef.graph.layer.Layer, which imports this module

Run = tuple[int, int]  # from its first to before its second
Runs = tuple[Run, ...]  # in order, with gaps between


@dataclass(frozen=True)
class Region:
    """A region of a blob: some of its images, and of each some runs of its channels.

    A blob of one axis has images only, a scalar neither: both stand for the whole of what is not there.
    """

    images: Run
    channels: Runs = ()

    @property
    def run(self) -> Run | None:
        """The channels where they are one run."""
        return self.channels[0] if len(self.channels) == 1 else None

    def shape(self, whole: Shape) -> Shape:
        """The region's own shape, in a blob of this shape."""
        if not whole:
            return ()
        images = self.images[1] - self.images[0]
        return (images, length(self.channels), *whole[2:]) if len(whole) > 1 else (images,)

    def count(self, whole: Shape) -> int:
        """Elements."""
        return prod(self.shape(whole))

    def meet(self, other: Region) -> Region | None:
        """The intersection; None if it is empty."""
        images = overlap((self.images,), (other.images,))
        channels = overlap(self.channels, other.channels)
        return Region(images[0], channels) if images and (channels or not self.channels) else None


Regions = tuple["Region | None", ...]  # one for each bottom or top; None for nothing of it


def region_of(shape: Shape) -> Region:
    """The whole of a blob."""
    return Region((0, shape[0] if shape else 1), ((0, shape[1]),) if len(shape) > 1 else ())


def length(runs: Runs) -> int:
    """Channels in all runs."""
    return sum(end - begin for begin, end in runs)


def overlap(a: Runs, b: Runs) -> Runs:
    """The runs that are in both."""
    pairs = ((max(x[0], y[0]), min(x[1], y[1])) for x in a for y in b)
    return tuple((begin, end) for begin, end in pairs if begin < end)


def joined(runs: Iterable[Run]) -> Runs:
    """The same runs with those that touch made one, empty ones left out."""
    result: list[Run] = []
    for begin, end in runs:
        if result and result[-1][1] == begin:
            result[-1] = (result[-1][0], end)
        elif begin < end:
            result.append((begin, end))
    return tuple(result)


def shifted(runs: Runs, by: int) -> Runs:
    """The same runs, counted from `by` channels before."""
    return tuple((begin + by, end + by) for begin, end in runs)


def even_cuts(count: int, shares: int, groups: int = 1) -> list[Run]:
    """[0, count) in `shares` runs, as even as can be, none across a border between `groups` equal ones; some may be empty."""
    if groups > 1 and shares > 1:
        size = count // groups
        if shares <= groups:
            return [(begin * size, end * size) for begin, end in even_cuts(groups, shares)]
        owners = even_cuts(shares, groups)  # which shares divide each group among them
        return [(g * size + a, g * size + b) for g, (x, y) in enumerate(owners) for a, b in even_cuts(size, y - x)]
    return [(-(-count * i // shares), -(-count * (i + 1) // shares)) for i in range(shares)]


@dataclass(frozen=True)
class Cut:
    """The region of a parameter that a device has: runs along one of its axes."""

    axis: int
    runs: Runs

    def shape(self, whole: Shape) -> Shape:
        """The region's own shape, in a parameter of this shape."""
        return (*whole[: self.axis], length(self.runs), *whole[self.axis + 1 :])


@dataclass(frozen=True)
class Share:
    """What one device has of a layer: some regions of its tops, and what making them takes.

    Attributes
    ----------
    bottoms: the region of each bottom.
    made: the regions of the tops that come out of it; they hold those that were asked for.
    parameters: for each parameter the region of it, None for all.
    fields: what the layer's own message says differently for this share.
    """

    bottoms: Regions
    made: Regions
    parameters: tuple[Cut | None, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


class Cuts:
    """The rule of layers that cannot be cut.

    idle: whether they do nothing in a program, so that nothing need be brought to them.
    """

    idle = False

    def follow(self, layer: Layer, bottoms: Regions) -> Regions | None:
        """The regions of the tops that follow from regions of the bottoms, nothing but them being needed; None: none do."""
        return None

    def share(self, layer: Layer, tops: Regions) -> Share | None:
        """What these regions of the tops take; None: they cannot be made without the rest."""
        return None


class Idle(Cuts):
    """The rule of layers that no device runs."""

    idle = True


class Source(Cuts):
    """Data from outside: what a region holds is known without the rest.  channels: whether channels can be left out too."""

    def __init__(self, channels: bool = False):
        self.channels = channels

    def share(self, layer: Layer, tops: Regions) -> Share | None:
        whole = [region_of(top.shape) for top in layer.tops]
        fits = all(t is None or self.channels or t.channels == w.channels for t, w in zip(tops, whole, strict=True))
        return Share((), tops) if fits else None


class Same(Cuts):
    """Each region of the tops takes the same region of the bottoms.

    Parameters
    ----------
    axis: the layer's property that names the axis it works along, which no cut may divide; "" if there is none.
    images, channels: whether these can be divided at all.
    """

    def __init__(self, axis: str = "", images: bool = True, channels: bool = True):
        self.axis, self.images, self.channels = axis, images, channels

    def follow(self, layer: Layer, bottoms: Regions) -> Regions | None:
        first = bottoms[0]
        if first is None:
            return None
        tops = tuple(alike(first, layer.bottoms[0].shape, top.shape) for top in layer.tops)
        share = self.share(layer, tops)
        return tops if share is not None and share.bottoms == bottoms else None

    def share(self, layer: Layer, tops: Regions) -> Share | None:
        region = next((top for top in tops if top is not None), None)
        if region is None or any(top != region for top in tops):
            return None
        bottoms = tuple(alike(region, layer.tops[0].shape, bottom.shape) for bottom in layer.bottoms)
        axis = getattr(layer, self.axis) if self.axis else None
        top = region_of(layer.tops[0].shape)
        for bottom, found in zip(layer.bottoms, bottoms, strict=True):
            whole = region_of(bottom.shape)
            divided = region.images != top.images or found.images != whole.images
            if divided and (not self.images or axis == 0 or bottom.shape[:1] != layer.tops[0].shape[:1]):
                return None
            divided = region.channels != top.channels or found.channels != whole.channels
            if divided and (not self.channels or axis in (0, 1) or bottom.shape[1:2] != layer.tops[0].shape[1:2]):
                return None
        return Share(bottoms, tops, self.parameters(layer, region))

    def parameters(self, layer: Layer, region: Region) -> tuple[Cut | None, ...]:
        """The region of each parameter that a region of the tops takes."""
        return (None,) * len(layer.parameters)


class PerChannel(Same):
    """The same, and of each parameter with one entry a channel the entries of its channels."""

    def parameters(self, layer: Layer, region: Region) -> tuple[Cut | None, ...]:
        shape = layer.tops[0].shape
        if len(shape) < 2 or region.channels == ((0, shape[1]),):
            return super().parameters(layer, region)
        return tuple(Cut(0, region.channels) if p.shape[:1] == shape[1:2] else None for p in layer.parameters)


class Reshaped(Cuts):
    """The same numbers in the same order with other axes after the first: a run of elements stays one."""

    def follow(self, layer: Layer, bottoms: Regions) -> Regions | None:
        (bottom,), (top,) = layer.bottoms, layer.tops
        region = bottoms[0] and elements_as(bottoms[0], bottom.shape, top.shape)
        return (region,) if region and self.share(layer, (region,)) else None

    def share(self, layer: Layer, tops: Regions) -> Share | None:
        (bottom,), (top,) = layer.bottoms, layer.tops
        if bottom.shape[:1] != top.shape[:1] or tops[0] is None:
            return None
        region = elements_as(tops[0], top.shape, bottom.shape)
        return Share((region,), tops) if region else None


def elements_as(region: Region, old: Shape, new: Shape) -> Region | None:
    """The region of a blob of shape `new` that holds the same elements of each image; None if no run of channels does."""
    if len(old) < 2 or len(new) < 2:
        return Region(region.images, region_of(new).channels) if region.channels == region_of(old).channels else None
    a, b = prod(old[2:]), prod(new[2:])
    if any(edge * a % b for run in region.channels for edge in run):
        return None
    return Region(region.images, tuple((begin * a // b, end * a // b) for begin, end in region.channels))


def alike(region: Region, old: Shape, new: Shape) -> Region:
    """The same region of another blob: all its images and channels for all of them, the same ones for some of them."""
    before, after = region_of(old), region_of(new)
    images = after.images if region.images == before.images else region.images
    return Region(images, after.channels if region.channels == before.channels else region.channels)
