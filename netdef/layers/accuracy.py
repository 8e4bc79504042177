"""Evaluation of scores: the share of correct ones, and the indices of the largest."""

from __future__ import annotations

from functools import cached_property
from math import prod

from netdef.graph.cuts import Same
from netdef.graph.layer import AlongAxis, Layer, layer
from netdef.graph.shape import Shape, shape_text


@layer("Accuracy")
class Accuracy(AlongAxis):
    """The share of predictions whose label is among the top_k largest scores along `axis`.

    Bottoms: scores, labels (one for each prediction). Tops: the share, and optionally the share of each class.
    """

    bottoms_allowed = (2, 2)
    tops_allowed = (1, 2)
    is_report = True
    is_accuracy = True
    no_gradient_to = (0, 1)
    kind = "result"
    settings_by_phase = frozenset({"top_k"})

    @property
    def top_k(self) -> int:
        return self.p.top_k

    @property
    def ignore_label(self) -> int | None:
        return self.p.ignore_label if self.p.HasField("ignore_label") else None

    @property
    def label_classes(self) -> int:
        return self.bottoms[0].shape[self.axis]

    @property
    def window_text(self) -> tuple[str, str]:
        return f"top {self.top_k}" if self.top_k > 1 else "", ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        scores, labels = bottoms
        classes = scores[self.axis]
        predictions = prod(scores) // classes
        if self.top_k < 1:
            raise self.error("top_k must be at least 1", "top_k")
        if self.top_k > classes:
            raise self.error(f"top_k {self.top_k} of only {classes} classes in {self.bottoms[0]}", "top_k")
        if prod(labels) != predictions:
            raise self.error(
                f"{self.bottoms[0]} ({shape_text(scores)}) makes {predictions} predictions, "
                f"{self.bottoms[1]} ({shape_text(labels)}) holds {prod(labels)} labels",
                "bottom",
                1,
            )
        return [(), (classes,)][: len(self.message.top)]


@layer("ArgMax")
class ArgMax(Layer):
    """The indices of the top_k largest, along `axis` or, without one, over all of each image.

    Output: with an axis, the input's shape with that axis top_k long, holding indices, or values if out_max_val.
    Without, (N, 1, top_k), or (N, 2, top_k) with out_max_val: indices, then values; four axes for four.
    Of equals the later one comes first, as in Caffe; NaN counts as larger than all.
    """

    cuts = Same("axis", channels=False)
    no_gradient_to = (0,)
    kind = "result"

    @cached_property
    def axis(self) -> int | None:
        return self.axis_of(self.p.axis) if self.p.HasField("axis") else None

    @property
    def top_k(self) -> int:
        return self.p.top_k

    @property
    def out_max_val(self) -> bool:
        return self.p.out_max_val

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        (x,) = bottoms
        self.expect_axes(1)
        choices = prod(x[1:]) if self.axis is None else x[self.axis]
        if not 1 <= self.top_k <= choices:
            raise self.error(f"top_k {self.top_k} of {choices} elements of {self.bottoms[0]}", "top_k")
        if self.axis is not None:
            return [(*x[: self.axis], self.top_k, *x[self.axis + 1 :])]
        rows = 2 if self.out_max_val else 1
        return [(x[0], rows, self.top_k, *(1,) * (len(x) - 3))]
