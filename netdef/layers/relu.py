"""Rectifiers: ReLU and its kin with a slope or a curve below zero."""

from __future__ import annotations

from netdef.graph.cuts import PerChannel
from netdef.graph.layer import Layer, ParameterShape, layer
from netdef.graph.shape import Shape
from netdef.schema import message_class


class Rectifier(Layer):
    """Element by element; what is above zero passes unchanged."""

    cuts = PerChannel()
    channel_groups = None
    kind = "activation"
    is_interchangeable = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return [bottoms[0]]


@layer("ReLU")
class ReLU(Rectifier):
    """y = max(x, 0) + negative_slope * min(x, 0)."""

    @property
    def negative_slope(self) -> float:
        return self.p.negative_slope


@layer("ELU")
class ELU(Rectifier):
    """y = x above zero, alpha * (exp(x) - 1) below (Clevert et al. 2015)."""

    backward_reads = frozenset({"top"})

    @property
    def alpha(self) -> float:
        return self.p.alpha


@layer("PReLU")
class PReLU(Rectifier):
    """y = max(x, 0) + slope * min(x, 0), the slope learned (He et al. 2015).

    Parameters: slopes (channels,), one () when channel_shared; 0.25 to begin with.
    """

    @property
    def channel_shared(self) -> bool:
        return self.p.channel_shared

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.expect_axes(2)
        return [bottoms[0]]

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        shape = () if self.channel_shared else (bottoms[0][1],)
        if self.p.HasField("filler"):
            return [(shape, self.p.filler)]
        return [(shape, message_class("FillerParameter")(type="constant", value=0.25))]
