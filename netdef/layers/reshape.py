"""The same elements in another shape."""

from __future__ import annotations

from functools import cached_property
from math import prod

from netdef.graph.cuts import Reshaped
from netdef.graph.layer import AlongAxis, Layer, layer
from netdef.graph.shape import Shape, shape_text


@layer("Flatten")
class Flatten(AlongAxis):
    """The axes from `axis` to `end_axis`, made one."""

    cuts = Reshaped()
    allows_in_place = False
    keeps_values = True
    kind = "joining"

    @cached_property
    def end_axis(self) -> int:
        return self.axis_of(self.p.end_axis, "end_axis")

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        if self.axis > self.end_axis + 1:
            raise self.error(f"axis {self.axis} comes after end_axis {self.end_axis}", "axis")
        return [(*x[: self.axis], prod(x[self.axis : self.end_axis + 1]), *x[self.end_axis + 1 :])]


@layer("Reshape")
class Reshape(Layer):
    """The dimensions of `shape` replace `num_axes` axes from `axis` on: 0 keeps one, -1 takes the remaining elements."""

    cuts = Reshaped()
    allows_in_place = False
    keeps_values = True
    kind = "joining"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        axes, count = len(x), self.p.num_axes
        start = self.p.axis if self.p.axis >= 0 else axes + self.p.axis + 1
        if not 0 <= start <= axes:
            raise self.error(self.no_axis(self.p.axis), "axis")
        if count < -1 or start + count > axes:
            raise self.error(f"{count} axes from axis {start}: {self.bottoms[0]} has {axes}", "num_axes")
        end = axes if count == -1 else start + count
        middle = list(self.p.shape.dim)
        for index, dim in enumerate(middle):
            if dim == 0:
                if start + index >= axes:
                    text = f"dim: 0 keeps axis {start + index}, but {self.bottoms[0]} ({shape_text(x)}) has none"
                    raise self.error(text, "shape", "dim", index)
                middle[index] = x[start + index]
            elif dim < -1:
                raise self.error(f"dim {dim}: sizes are positive, 0 keeps, -1 takes what is left", "shape", "dim", index)
        if middle.count(-1) > 1:
            raise self.error("only one dim can be -1, what is left", "shape", "dim", len(middle) - 1)
        known = prod(d for d in middle if d != -1) * prod(x[:start]) * prod(x[end:])
        if -1 in middle and prod(x) % known == 0:
            middle[middle.index(-1)] = prod(x) // known
        shape = (*x[:start], *middle, *x[end:])
        if prod(shape) != prod(x):
            wanted = shape_text(shape).replace("-1", "?")
            raise self.error(f"{prod(x)} elements of {self.bottoms[0]} ({shape_text(x)}) do not fit {wanted}", "shape")
        return [shape]
