"""Pooling over regions of images, one output for each region."""

from __future__ import annotations

from math import prod

from netdef.graph.layer import Layer, layer
from netdef.graph.shape import Shape, shape_text

REGION = 5  # numbers of a region: the index of its image, then left, top, right, bottom


class Regional(Layer):
    """Bottoms: images (N x C x H x W), and regions (R x 5): image, left, top, right, bottom, in pixels of the net's input."""

    bottoms_allowed = (2, 2)
    channel_groups: int | None = None
    no_gradient_to = (1,)
    allows_in_place = False
    kind = "pooling"
    is_interchangeable = True
    origin = "Fast R-CNN"

    @property
    def spatial_scale(self) -> float:
        """Pixels of the first bottom for each pixel that regions are given in."""
        return self.p.spatial_scale

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the output of a region."""
        return self.p.pooled_h, self.p.pooled_w

    @property
    def window_text(self) -> tuple[str, str]:
        return f"{self.grid[0]} x {self.grid[1]} cells", ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        x, regions = bottoms
        if len(x) != 4:
            raise self.error(f"expected images (N x C x H x W), but {self.bottoms[0]} is {shape_text(x)}", "bottom", 0)
        if not regions or prod(regions[1:]) != REGION:
            text = f"{self.bottoms[1]} ({shape_text(regions)}) must hold {REGION} numbers a region: image, left, top, right, bottom"
            raise self.error(text, "bottom", 1)
        for field, cells in zip(("pooled_h", "pooled_w"), self.grid, strict=True):
            if cells < 1:
                raise self.error(f"{field}, the {'rows' if field == 'pooled_h' else 'columns'} of the grid, is missing", field)
        if not self.spatial_scale > 0:
            raise self.error(f"spatial_scale {self.spatial_scale:g} must be positive", "spatial_scale")
        return [(regions[0], self.channels_of(x), *self.grid)]

    def channels_of(self, x: Shape) -> int:
        """Channels of the output."""
        return x[1]


@layer("ROIPooling")
class ROIPooling(Regional):
    """The largest number in each cell of a grid over each region, channel by channel (Girshick 2015).

    Corners of regions are rounded to pixels of the first bottom. Output: (regions, channels, pooled_h, pooled_w).
    """


@layer("ROIAlign")
class ROIAlign(Regional):
    """The mean of samples, interpolated between pixels, in each cell of a grid over each region (He et al. 2017).

    Output: (regions, channels, pooled_h, pooled_w).
    """

    origin = "Mask R-CNN"

    @property
    def sampling_ratio(self) -> int:
        """Samples along each side of a cell; 0 or less: as many as it has pixels, rounded up."""
        return self.p.sampling_ratio


@layer("PSROIPooling")
class PSROIPooling(Regional):
    """The mean of each cell of a grid over each region, where each cell has channels of its own (Dai et al. 2016).

    Channel (c * group_size + row) * group_size + column of the first bottom makes that cell of channel c.
    Output: (regions, output_dim, group_size, group_size).
    """

    channel_groups = 1
    origin = "R-FCN"

    @property
    def output_dim(self) -> int:
        return self.p.output_dim

    @property
    def group_size(self) -> int:
        return self.p.group_size

    @property
    def grid(self) -> tuple[int, int]:
        return self.group_size, self.group_size

    def channels_of(self, x: Shape) -> int:
        for field in ("output_dim", "group_size"):
            if getattr(self.p, field) < 1:
                raise self.error(f"{field} must be at least 1", field)
        wanted = self.output_dim * self.group_size**2
        if x[1] != wanted:
            text = f"{self.bottoms[0]} has {x[1]} channels; {self.output_dim} x {self.group_size} x {self.group_size} are {wanted}"
            raise self.error(text, "bottom", 0)
        return self.output_dim

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if not self.message.HasField("psroi_pooling_param"):
            raise self.error("output_dim, group_size and spatial_scale are missing")
        if self.group_size < 1:
            raise self.error("group_size must be at least 1", "group_size")
        return super().output_shapes(*bottoms)
