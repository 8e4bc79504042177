"""A factor, a bias, both, or a slope, broadcast over the axes that they do not have."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from netdef.graph.cuts import Cut, Cuts, PerChannel, Regions, Share, region_of
from netdef.graph.layer import Layer, ParameterShape, layer
from netdef.graph.shape import Shape, per_image, shape_text
from netdef.schema.filler_types import filler_of


class SpreadCuts(Cuts):
    """The same region of the data, and the region of the operand that is broadcast over it."""

    def follow(self, layer: Any, bottoms: Regions) -> Regions | None:
        return bottoms[:1] if self.share(layer, bottoms[:1]) else None

    def share(self, layer: Any, tops: Regions) -> Share | None:
        (top,), whole, axis = tops, region_of(layer.tops[0].shape), layer.axis
        if top is None:
            return None
        divided = top.images != whole.images, top.channels != whole.channels
        if len(layer.bottoms) == 2:
            operand = layer.bottoms[1].shape
            if axis > 1 or not any(divided[axis:]) or not operand:
                return Share((top, region_of(operand)), tops, (None,) * len(layer.parameters)) if not layer.parameters else None
            aligned = axis == 0 and len(operand) > 1 and not layer.parameters
            return Share((top, top), tops) if aligned else None
        if axis == 0 and any(divided):
            return None
        cut = Cut(0, top.channels) if axis == 1 and divided[1] else None
        return Share(tops, tops, (cut,) * len(layer.parameters))


class Spread(Layer):
    """The operand, learned or the second bottom, has the shape of some or all axes of the first bottom from `axis` on."""

    bottoms_allowed = (1, 2)
    cuts = SpreadCuts()
    channel_groups = None
    kind = "normalisation"

    @cached_property
    def axis(self) -> int:
        """The first axis of the operand; 0 for a second bottom of one number, which has no axes."""
        if len(self.bottoms) == 2 and not self.bottoms[1].shape:
            return 0
        return self.axis_of(self.p.axis)

    @property
    def operand_shape(self) -> Shape:
        """The shape of the factor or bias."""
        if len(self.bottoms) == 2:
            return self.bottoms[1].shape
        shape = self.bottoms[0].shape
        return shape[self.axis :] if self.p.num_axes == -1 else shape[self.axis : self.axis + self.p.num_axes]

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        x = bottoms[0]
        if len(bottoms) == 2:
            operand, axis = bottoms[1], self.axis
            if x[axis : axis + len(operand)] != operand:
                a, b = (f"{blob} ({shape_text(blob.shape)})" for blob in self.bottoms)
                raise self.error(f"{b} does not match the axes of {a} from axis {axis} on", "bottom", 1)
            return [x]
        if self.p.num_axes < -1 or self.axis + self.p.num_axes > len(x):
            text = f"{self.p.num_axes} axes from axis {self.axis}: {self.bottoms[0]} has {len(x)}"
            raise self.error(text, "num_axes")
        return [x]

    @property
    def macs(self) -> int:
        return per_image(self.bottoms[0].shape)


@layer("Scale")
class Scale(Spread):
    """y = x * factor, plus a bias if bias_term.

    Parameters: the factor, unless it is the second bottom, 1 to begin with; the bias, of the same shape.
    """

    @property
    def bias_term(self) -> bool:
        return self.p.bias_term

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        factor = [(self.operand_shape, filler_of(self.p, "filler"))]
        bias = [(self.operand_shape, self.p.bias_filler)] if self.bias_term else []
        return (factor if len(bottoms) == 1 else []) + bias


@layer("Bias")
class Bias(Spread):
    """y = x + bias. Parameters: the bias, unless it is the second bottom."""

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        return [(self.operand_shape, self.p.filler)] if len(bottoms) == 1 else []


@layer("PReLU")
class PReLU(Layer):
    """y = max(x, 0) + slope * min(x, 0), the slope learned (He et al. 2015).

    Parameters: slopes (channels,), one () when channel_shared; 0.25 to begin with.
    """

    cuts = PerChannel()
    channel_groups = None
    kind = "activation"
    is_interchangeable = True

    @property
    def channel_shared(self) -> bool:
        return self.p.channel_shared

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.expect_axes(2)
        return [bottoms[0]]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        shape = () if self.channel_shared else (bottoms[0][1],)
        return [(shape, filler_of(self.p, "filler"))]
