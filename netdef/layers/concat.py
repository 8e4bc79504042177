"""Joining blobs along an axis, and cutting one along an axis."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any

from netdef.graph.cuts import Region, Regions, Run, Same, Share, joined, length, overlap, shifted
from netdef.graph.layer import ANY, Layer, layer, shapes_disagree
from netdef.graph.shape import Shape
from netdef.language.units import plural, times


def piece(region: Region, along: Run, shift: int) -> Region | None:
    """The channels of a region that lie in the run `along`, renumbered; None if there are none."""
    runs = overlap(region.channels, (along,))
    return Region(region.images, shifted(runs, shift)) if runs else None


class JoinCuts(Same):
    """Along channels, the regions of all bottoms follow one another; along another axis all have the same region."""

    def follow(self, layer: Any, bottoms: Regions) -> Regions | None:
        if layer.axis != 1:
            return super().follow(layer, bottoms)
        images = {bottom.images for bottom in bottoms if bottom is not None}
        if len(images) != 1:
            return None
        starts = layer.starts
        runs = [run for b, start in zip(bottoms, starts, strict=True) if b is not None for run in shifted(b.channels, start)]
        return (Region(images.pop(), joined(runs)),)

    def share(self, layer: Any, tops: Regions) -> Share | None:
        (top,) = tops
        if layer.axis != 1 or top is None:
            return super().share(layer, tops)
        ranges = [(start, start + bottom.shape[1]) for start, bottom in zip(layer.starts, layer.bottoms, strict=True)]
        return Share(tuple(piece(top, along, -along[0]) for along in ranges), tops)


class SliceCuts(Same):
    """Along channels, each top takes its own region of the bottom; along another axis all have the same region."""

    def follow(self, layer: Any, bottoms: Regions) -> Regions | None:
        (bottom,) = bottoms
        if layer.axis != 1 or bottom is None:
            return super().follow(layer, bottoms)
        return tuple(piece(bottom, along, -along[0]) for along in pairwise(layer.points))

    def share(self, layer: Any, tops: Regions) -> Share | None:
        images = {top.images for top in tops if top is not None}
        if layer.axis != 1 or len(images) != 1:
            return super().share(layer, tops)
        runs = [shifted(top.channels, point) for top, point in zip(tops, layer.points, strict=False) if top is not None]
        points = list(accumulate(map(length, runs)))[:-1]
        return Share((Region(images.pop(), joined(chain(*runs))),), tops, fields={"slice_point": points})


@layer("Concat")
class Concat(Layer):
    """The bottoms, one after another along `axis`. All their other dimensions are equal."""

    bottoms_allowed = (1, ANY)
    cuts = JoinCuts("axis")
    kind = "joining"
    is_interchangeable = True
    joins_towers = True

    @cached_property
    def axis(self) -> int:
        if self.p.HasField("concat_dim"):
            return self.axis_of(self.p.concat_dim, "concat_dim")
        return self.axis_of(self.p.axis)

    @property
    def starts(self) -> tuple[int, ...]:
        """The index along the axis at which each bottom begins."""
        return tuple(accumulate((bottom.shape[self.axis] for bottom in self.bottoms[:-1]), initial=0))

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if self.p.HasField("concat_dim") and self.p.HasField("axis"):
            raise self.error("concat_dim is the old name of axis: give one of them", "concat_dim")
        first, axis = bottoms[0], self.axis
        for index, shape in enumerate(bottoms):
            if len(shape) != len(first) or any(a != b for i, (a, b) in enumerate(zip(shape, first, strict=True)) if i != axis):
                raise shapes_disagree(self, 0, index, f"the same shape but for axis {axis}")
        return [(*first[:axis], sum(shape[axis] for shape in bottoms), *first[axis + 1 :])]


@layer("Slice")
class Slice(Layer):
    """The bottom, cut along `axis` at each slice_point, or into equal parts without slice_point."""

    tops_allowed = (1, ANY)
    cuts = SliceCuts("axis")
    kind = "joining"
    splits_towers = True

    @cached_property
    def axis(self) -> int:
        if self.p.HasField("slice_dim"):
            return self.axis_of(self.p.slice_dim, "slice_dim")
        return self.axis_of(self.p.axis)

    @property
    def points(self) -> tuple[int, ...]:
        """The indices at which the tops begin and end: 0 first, the length of the axis last."""
        length, tops = self.bottoms[0].shape[self.axis], len(self.message.top)
        inner = tuple(self.p.slice_point) or tuple(length // tops * i for i in range(1, tops))
        return (0, *inner, length)

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,), tops = bottoms, len(self.message.top)
        if self.p.HasField("slice_dim") and self.p.HasField("axis"):
            raise self.error("slice_dim is the old name of axis: give one of them", "slice_dim")
        length = x[self.axis]
        given = len(self.p.slice_point)
        if given and given != tops - 1:
            raise self.error(f"for {plural(tops, 'top')} give slice_point {times(tops - 1)}, not {times(given)}", "slice_point")
        if not given and length % tops:
            raise self.error(
                f"axis {self.axis} of {self.bottoms[0]} is {length} long: {tops} equal parts do not fit",
                hint="give the indices to cut at as slice_point",
            )
        points = self.points
        for index, (begin, end) in enumerate(pairwise(points)):
            if begin >= end:
                text = f"slice_point must grow from above 0 to below {length}: {', '.join(map(str, self.p.slice_point))}"
                raise self.error(text, "slice_point", min(index, given - 1))
        lengths = [end - begin for begin, end in pairwise(points)]
        return [(*x[: self.axis], length, *x[self.axis + 1 :]) for length in lengths]
