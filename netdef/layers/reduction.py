"""Reduction of axes to one number: sums and means."""

from __future__ import annotations

from netdef.graph.cuts import Same
from netdef.graph.layer import AlongAxis, enum_name, layer
from netdef.graph.shape import Shape, per_image


@layer("Reduction")
class Reduction(AlongAxis):
    """coeff times the sum, the sum of magnitudes or squares, or the mean over the axes from `axis` on."""

    cuts = Same("axis")
    kind = "joining"

    @property
    def backward_reads(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"bottom"}) if self.operation in ("ASUM", "SUMSQ") else frozenset()

    @property
    def operation(self) -> str:
        """SUM, ASUM, SUMSQ or MEAN."""
        return enum_name(self.p, "operation")

    @property
    def coeff(self) -> float:
        return self.p.coeff

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return [bottoms[0][: self.axis]]

    @property
    def macs(self) -> int:
        return per_image(self.bottoms[0].shape)
