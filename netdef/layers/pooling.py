"""Pooling over windows, and over a pyramid of grids."""

from __future__ import annotations

from functools import cached_property
from math import prod

from netdef.graph.cuts import Cuts, Same
from netdef.graph.layer import Layer, enum_name, layer
from netdef.graph.shape import Shape, shape_text
from netdef.layers.window import check_positive, pooled, sizes, spatial, steps_text


@layer("Pooling")
class Pooling(Layer):
    """The largest, the mean or (STOCHASTIC) a random element of each window, channel by channel.

    Output: ceil((size + 2 pad - kernel) / stride) + 1 along each side, so that the last window may extend beyond the edge;
    with padding, a last window that would start beyond the image is dropped. `round_mode: FLOOR`, or
    `ceil_mode: false`, drops partial windows.
    A second top of MAX pooling holds the index of each maximum in its channel.
    """

    tops_allowed = (1, 2)
    channel_groups = None
    kind = "pooling"
    noun = "pooling"
    is_interchangeable = True

    @property
    def cuts(self) -> Cuts:  # type: ignore[override]
        return Cuts() if self.method == "STOCHASTIC" else Same()  # random numbers are indexed over the whole blob

    @property
    def method(self) -> str:
        """MAX, AVE or STOCHASTIC."""
        return enum_name(self.p, "pool")

    @property
    def global_pooling(self) -> bool:
        return self.p.global_pooling

    @property
    def window_text(self) -> tuple[str, str]:
        method = {"MAX": "max", "AVE": "mean", "STOCHASTIC": "random"}[self.method]
        return f"{method} {'of all' if self.global_pooling else sizes(self.kernel)}", steps_text(self.stride, self.pad)

    @cached_property
    def kernel(self) -> tuple[int, ...]:
        """(height, width); the whole image when global."""
        if self.global_pooling:
            return self.bottoms[0].shape[2:]
        return spatial(self, "kernel", 2, None)

    @cached_property
    def stride(self) -> tuple[int, ...]:
        return spatial(self, "stride", 2, 1)

    @cached_property
    def pad(self) -> tuple[int, ...]:
        return spatial(self, "pad", 2, 0)

    @property
    def floor(self) -> bool:
        """Whether windows that stick out are dropped: round_mode, which forks call ceil_mode."""
        return enum_name(self.p, "round_mode") == "FLOOR" or not self.p.ceil_mode

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        self.check(x)
        windows = zip(x[2:], self.kernel, self.stride, self.pad, strict=True)
        sides = tuple(pooled(*window, floor=self.floor, clip=any(self.pad)) for window in windows)
        if min(sides) < 1:
            raise self.error(
                f"window {sizes(self.kernel)} is larger than its input {self.bottoms[0]}, {sizes(x[2:])}",
                "kernel_size",
                hint="use a smaller kernel_size, or global_pooling: true for the whole image",
            )
        return [(*x[:2], *sides)] * len(self.message.top)

    def check(self, x: Shape) -> None:
        """Raises NetdefError for an input or window that does not fit."""
        if len(x) != 4:
            raise self.error(f"expected images (N x C x H x W), but {self.bottoms[0]} is {shape_text(x)}", "bottom", 0)
        if self.global_pooling:
            for field in ("kernel_size", "kernel_h", "kernel_w"):
                if self.p.HasField(field):
                    raise self.error(f"global_pooling takes the whole image and excludes {field}", field)
            if any(self.pad) or self.stride != (1, 1):
                raise self.error("global_pooling has one window: no pad, and stride 1", "global_pooling")
        if self.p.HasField("round_mode") and self.p.HasField("ceil_mode"):
            raise self.error("round_mode and ceil_mode say the same: give one of them", "ceil_mode")
        check_positive(self, "kernel", self.kernel)
        check_positive(self, "stride", self.stride)
        if any(p >= k for p, k in zip(self.pad, self.kernel, strict=True)):
            raise self.error(f"pad {sizes(self.pad)} must be less than the window, {sizes(self.kernel)}", "pad", code="ND110")
        if any(self.pad) and self.method == "STOCHASTIC":
            raise self.error("STOCHASTIC pooling takes no pad: padding has no probability", "pad")
        if len(self.message.top) == 2 and self.method != "MAX":
            raise self.error(f"a second top holds the indices of the maxima: {self.method} has none", "top", 1)

    @property
    def macs(self) -> int:
        return prod(self.tops[0].shape[1:]) * prod(self.kernel)


@layer("SPP")
class SPP(Layer):
    """Spatial pyramid pooling (He et al. 2014): grids of 1, 2, 4 ... cells a side, each cell pooled, all in one row.

    Output: (N, channels x the number of cells of all levels); a single level keeps four axes.
    """

    channel_groups = 1
    kind = "pooling"
    is_interchangeable = True

    @property
    def cuts(self) -> Cuts:  # type: ignore[override]
        return Cuts() if self.method == "STOCHASTIC" else Same(channels=False)

    @property
    def method(self) -> str:
        return enum_name(self.p, "pool")

    @property
    def pyramid_height(self) -> int:
        return self.p.pyramid_height

    def level(self, index: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """(kernel, pad) of a level; its stride is its kernel."""
        cells = 2**index
        height, width = self.bottoms[0].shape[2:]
        kernel = -(-height // cells), -(-width // cells)
        pad = (kernel[0] * cells - height + 1) // 2, (kernel[1] * cells - width + 1) // 2
        return kernel, pad

    def cells(self, index: int) -> tuple[int, int]:
        """(rows, columns) of a level's grid."""
        kernel, pad = self.level(index)
        rows, columns = (pooled(s, k, k, p, clip=any(pad)) for s, k, p in zip(self.bottoms[0].shape[2:], kernel, pad, strict=True))
        return rows, columns

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        if len(x) != 4:
            raise self.error(f"expected images (N x C x H x W), but {self.bottoms[0]} is {shape_text(x)}", "bottom", 0)
        if self.pyramid_height < 1:
            raise self.error("pyramid_height, the number of levels, is missing", "pyramid_height")
        cells = 0
        for index in range(self.pyramid_height):
            kernel, pad = self.level(index)
            if any(p >= k for p, k in zip(pad, kernel, strict=True)):
                raise self.error(
                    f"level {index + 1} of the pyramid has {2**index} x {2**index} cells, too many for {sizes(x[2:])}",
                    "pyramid_height",
                )
            if any(pad) and self.method == "STOCHASTIC":
                cells_of = f"{2**index} x {2**index} cells"
                raise self.error(f"STOCHASTIC pooling takes no pad, which {cells_of} of {sizes(x[2:])} need", "pool")
            if self.pyramid_height == 1:
                return [(*x[:2], *self.cells(index))]
            cells += prod(self.cells(index))
        return [(x[0], x[1] * cells)]

    @property
    def macs(self) -> int:
        return prod(self.bottoms[0].shape[1:]) * self.pyramid_height
