"""Images of another size."""

from __future__ import annotations

from functools import cached_property

from netdef.graph.layer import Layer, layer
from netdef.graph.shape import Shape, per_image, shape_text


@layer("Upsample")
class Upsample(Layer):
    """Each number at the index that the second top of a Pooling layer has for it, zeros elsewhere (Badrinarayanan et al. 2017).

    Bottoms: numbers, indices. Output: scale times as many rows and columns, or upsample_h and upsample_w. Of YOLO's forks, with
    numbers only, each of them scale x scale times.
    """

    bottoms_allowed = (1, 2)
    channel_groups = None
    no_gradient_to = (1,)
    allows_in_place = False
    kind = "pooling"
    origin = "SegNet and YOLO"

    @cached_property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the output."""
        p, (height, width) = self.p, self.bottoms[0].shape[2:]
        if p.HasField("upsample_h") and p.HasField("upsample_w"):
            return p.upsample_h, p.upsample_w
        scale_h, scale_w = (p.scale_h, p.scale_w) if p.HasField("scale_h") else (p.scale, p.scale)
        return height * scale_h - p.pad_out_h, width * scale_w - p.pad_out_w

    @property
    def repeats(self) -> bool:
        """Whether it repeats numbers, as YOLO's."""
        return len(self.bottoms) == 1

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        x = bottoms[0]
        if len(x) != 4:
            raise self.error(f"expected images (N x C x H x W), but {self.bottoms[0]} is {shape_text(x)}", "bottom", 0)
        if self.repeats:
            for field, _ in self.p.ListFields():
                if field.name != "scale":
                    text = f"{field.name} is for numbers with their indices, a second bottom: without them each is repeated"
                    raise self.error(text, field.name, hint="give the second top of the Pooling layer too, or scale alone")
        elif x != bottoms[1]:
            text = f"{self.bottoms[1]} ({shape_text(bottoms[1])}) must have one index for each number of {self.bottoms[0]}"
            raise self.error(f"{text} ({shape_text(x)})", "bottom", 1)
        for a, b in (("upsample_h", "upsample_w"), ("scale_h", "scale_w")):
            if self.p.HasField(a) != self.p.HasField(b):
                raise self.error(f"{a} and {b} belong together", a if self.p.HasField(a) else b)
        if self.p.HasField("scale") and self.p.HasField("scale_h"):
            raise self.error("scale excludes scale_h and scale_w", "scale")
        if min(self.size) < 1:
            raise self.error(f"the output would be {self.size[0]} x {self.size[1]}")
        return [(*x[:2], *self.size)]


@layer("Interp")
class Interp(Layer):
    """Another size by bilinear interpolation, corners on corners (Chen et al. 2015).

    Output: with one factor, (H - 1) / shrink_factor + 1 or (H - 1) * zoom_factor + 1 rows; else height x width; else both
    factors, one after the other. Negative pad_beg and pad_end remove rows and columns first.
    """

    channel_groups = None
    allows_in_place = False
    kind = "pooling"
    origin = "DeepLab"

    @property
    def inside(self) -> tuple[int, int]:
        """(rows, columns) of the input that are kept."""
        height, width = self.bottoms[0].shape[2:]
        return height + self.p.pad_beg + self.p.pad_end, width + self.p.pad_beg + self.p.pad_end

    def side(self, size: int, given: int) -> int:
        """Rows or columns of the output. Forks ask for a single factor before they ask for height and width, for two after."""
        p = self.p
        shrinks, zooms, sized = p.HasField("shrink_factor"), p.HasField("zoom_factor"), p.HasField("height") and p.HasField("width")
        if shrinks == zooms and sized:
            return given
        if shrinks:
            size = (size - 1) // p.shrink_factor + 1
        return (size - 1) * p.zoom_factor + 1 if zooms else size

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the output."""
        height, width = self.inside
        return self.side(height, self.p.height), self.side(width, self.p.width)

    @property
    def window_text(self) -> tuple[str, str]:
        return f"to {self.size[0]} x {self.size[1]}", ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        p = self.p
        if len(x) != 4:
            raise self.error(f"expected images (N x C x H x W), but {self.bottoms[0]} is {shape_text(x)}", "bottom", 0)
        for field in ("pad_beg", "pad_end"):
            if getattr(p, field) > 0:
                raise self.error(f"{field} {getattr(p, field)} adds pixels: it can only remove them, as a negative number", field)
        for field in ("zoom_factor", "shrink_factor"):
            if getattr(p, field) < 1:
                raise self.error(f"{field} must be at least 1", field)
        if not (p.HasField("shrink_factor") or p.HasField("zoom_factor") or (p.HasField("height") and p.HasField("width"))):
            raise self.error("the size is missing: height and width, zoom_factor or shrink_factor")
        if min(self.inside) < 1:
            raise self.error(f"pad_beg and pad_end leave nothing of {self.bottoms[0]}, {shape_text(x)}", "pad_beg")
        if min(self.size) < 1:
            raise self.error(f"the output would be {self.size[0]} x {self.size[1]}", "height")
        return [(*x[:2], *self.size)]

    @property
    def macs(self) -> int:
        return 4 * per_image(self.tops[0].shape)
