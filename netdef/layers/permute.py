"""Other orders of elements: of axes, of channels, of pixels and channels."""

from __future__ import annotations

from functools import cached_property

from netdef.graph.layer import Layer, layer
from netdef.graph.shape import Shape, shape_text


@layer("Permute")
class Permute(Layer):
    """The axes in another order: axis i of the output is axis order[i] of the input; axes that order lacks follow."""

    kind = "joining"
    allows_in_place = False
    origin = "SSD"

    @cached_property
    def order(self) -> tuple[int, ...]:
        """For each axis of the output, the axis of the input that it is."""
        axes = range(len(self.bottoms[0].shape))
        return (*self.p.order, *(axis for axis in axes if axis not in self.p.order))

    @property
    def window_text(self) -> tuple[str, str]:
        return f"order {' '.join(map(str, self.order))}", ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        for index, axis in enumerate(self.p.order):
            if axis >= len(x):
                raise self.error(self.no_axis(axis), "order", index)
            if axis in self.p.order[:index]:
                raise self.error(f"axis {axis} is named twice", "order", index)
        return [tuple(x[axis] for axis in self.order)]


@layer("ShuffleChannel")
class ShuffleChannel(Layer):
    """y[k * group + g] = x[g * K + k], K = channels / group: groups of channels, dealt out in turn (Zhang et al. 2018)."""

    kind = "joining"
    allows_in_place = False
    origin = "ShuffleNet"

    @property
    def group(self) -> int:
        return self.p.group

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.expect_axes(2)
        if self.group < 1 or bottoms[0][1] % self.group:
            text = f"{self.group} groups do not divide {self.bottoms[0]} ({shape_text(bottoms[0])})"
            raise self.error(text, "group")
        return [bottoms[0]]


@layer("Reorg")
class Reorg(Layer):
    """Each square of stride x stride pixels becomes stride ** 2 times as many channels (Redmon & Farhadi 2017); `reverse`: back.

    Output: (N, C * stride ** 2, H / stride, W / stride), the numbers in the order of the forks' layer, which is darknet's.
    """

    kind = "joining"
    allows_in_place = False
    origin = "YOLO 9000"

    @property
    def stride(self) -> int:
        return self.p.stride

    @property
    def reverse(self) -> bool:
        return self.p.reverse

    @property
    def window_text(self) -> tuple[str, str]:
        return f"{self.stride} x {self.stride}{' back' if self.reverse else ''}", ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        stride = self.stride
        if len(x) != 4:
            raise self.error(f"expected images (N x C x H x W), but {self.bottoms[0]} is {shape_text(x)}", "bottom", 0)
        if stride < 1:
            raise self.error("stride must be at least 1", "stride")
        divided = (x[1],) if self.reverse else (x[1], *x[2:])
        by = stride**2 if self.reverse else stride
        if any(size % by for size in divided[0 if self.reverse else 1 :]) or x[1] % stride**2:
            text = f"stride {stride} needs channels that {stride**2} divides, and sides that {stride} divides"
            raise self.error(f"{text}; {self.bottoms[0]} is {shape_text(x)}", "stride")
        if self.reverse:
            return [(x[0], x[1] // stride**2, x[2] * stride, x[3] * stride)]
        return [(x[0], x[1] * stride**2, x[2] // stride, x[3] // stride)]
