"""Blobs joined along an axis, and cut along one."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

from netdef.graph import Shape
from netdef.layers.base import ANY, Layer, layer, shapes_disagree


@layer("Concat")
class Concat(Layer):
    """The bottoms one after another along `axis`; they agree in all other dimensions."""

    bottoms_allowed = (1, ANY)

    @cached_property
    def axis(self) -> int:
        if self.p.HasField("concat_dim"):
            return self.axis_of(self.p.concat_dim, len(self.bottoms[0].shape), "concat_dim")
        return self.axis_of(self.p.axis, len(self.bottoms[0].shape))

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
    """The bottom cut along `axis` at each slice_point, or into equal parts without any."""

    tops_allowed = (1, ANY)

    @cached_property
    def axis(self) -> int:
        if self.p.HasField("slice_dim"):
            return self.axis_of(self.p.slice_dim, len(self.bottoms[0].shape), "slice_dim")
        return self.axis_of(self.p.axis, len(self.bottoms[0].shape))

    @property
    def points(self) -> tuple[int, ...]:
        """Where the parts begin and end: 0 first, the length of the axis last."""
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
            raise self.error(f"{tops} tops need {tops - 1} slice_point, not {given}", "slice_point")
        if not given and length % tops:
            raise self.error(
                f"axis {self.axis} of {self.bottoms[0]} is {length} long: {tops} equal parts do not fit",
                hint="say where to cut with slice_point",
            )
        points = self.points
        for index, (begin, end) in enumerate(pairwise(points)):
            if begin >= end:
                text = f"slice_point must grow from above 0 to below {length}: {', '.join(map(str, self.p.slice_point))}"
                raise self.error(text, "slice_point", min(index, given - 1))
        parts = [end - begin for begin, end in pairwise(points)]
        return [(*x[: self.axis], part, *x[self.axis + 1 :]) for part in parts]
