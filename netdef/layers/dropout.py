"""Dropout."""

from __future__ import annotations

from netdef.graph.cuts import Same
from netdef.graph.layer import Layer, layer
from netdef.graph.shape import Shape


@layer("Dropout")
class Dropout(Layer):
    """In training, each element is kept with probability 1 - dropout_ratio and divided by that, else 0. In testing, y = x.

    With scale_train: false, of Fast R-CNN's Caffe, training divides by nothing, and in testing y = (1 - dropout_ratio) * x.
    """

    cuts = Same()
    channel_groups = None
    kind = "activation"
    noun = "dropout"
    idle_unless = "dropout_ratio"
    settings_by_phase = frozenset({"dropout_ratio"})

    @property
    def ratio(self) -> float:
        return self.p.dropout_ratio

    @property
    def factor(self) -> float:
        """What training multiplies the elements by that it keeps."""
        return 1 / (1 - self.ratio) if self.p.scale_train else 1.0

    @property
    def scales_in_testing(self) -> bool:
        return not self.p.scale_train and self.ratio > 0

    @property
    def keeps_values(self) -> bool:  # type: ignore[override]
        return self.ratio == 0

    @property
    def window_text(self) -> tuple[str, str]:
        return f"{self.ratio:.0%} off", ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if not 0 <= self.ratio < 1:
            raise self.error(f"dropout_ratio {self.ratio:g} must be at least 0 and below 1", "dropout_ratio")
        return [bottoms[0]]
