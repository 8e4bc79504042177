"""Losses: the numbers that training minimises."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import ClassVar

from netdef.graph.layer import AlongAxis, Layer, enum_name, layer
from netdef.graph.shape import Shape, shape_text


class Loss(Layer):
    """A scalar from predictions and targets, with loss weight 1 unless the layer says otherwise."""

    bottoms_allowed = (2, 2)
    is_loss = True
    kind = "loss"
    is_interchangeable = True
    no_gradient_to: ClassVar[tuple[int, ...]] = (1,)

    @property
    def window_text(self) -> tuple[str, str]:
        weight = self.loss_weights[0] if self.loss_weights else 1
        return f"weight {weight:g}" if weight != 1 else "", ""

    def check_batches(self, bottoms: tuple[Shape, ...]) -> None:
        """Raises NetdefError if predictions and targets differ in their number of samples."""
        self.expect_axes(1, 1)
        if bottoms[0][0] != bottoms[1][0]:
            raise self.error(f"{self.named(0)} and {self.named(1)} differ in their first dimension", "bottom", 1)

    def check_one_label_each(self, bottoms: tuple[Shape, ...]) -> None:
        """Raises NetdefError unless the second bottom holds one label for each sample."""
        self.check_batches(bottoms)
        if prod(bottoms[1]) != bottoms[0][0]:
            raise self.error(f"{self.named(1)} does not hold one label for each of the {bottoms[0][0]} samples", "bottom", 1)

    def check_sizes(self, bottoms: tuple[Shape, ...]) -> None:
        """Raises NetdefError unless predictions and targets have as many elements."""
        self.check_batches(bottoms)
        if prod(bottoms[0]) != prod(bottoms[1]):
            raise self.error(f"{self.named(0)} and {self.named(1)} differ in size", "bottom", 1)

    def named(self, index: int) -> str:
        """A bottom with its shape, as messages print it."""
        blob = self.bottoms[index]
        return f"{blob} ({shape_text(blob.shape)})"


class Normalized(Loss):
    """A loss that can ignore a label, and whose divisor is set by `loss_param`."""

    default_normalization = "VALID"
    takes_fixed_divisor = False

    @property
    def ignore_label(self) -> int | None:
        loss = self.message.loss_param
        return loss.ignore_label if loss.HasField("ignore_label") else None

    @property
    def normalization(self) -> str:
        """The divisor of the sum: FULL (all labels), VALID (labels not ignored), BATCH_SIZE (images), NONE or PRE_FIXED."""
        loss = self.message.loss_param
        if loss.HasField("normalization"):
            found = enum_name(loss, "normalization")
            if found == "PRE_FIXED" and not self.takes_fixed_divisor:
                text = "normalization: PRE_FIXED is for the losses of R-FCN, SoftmaxWithLossOHEM and SmoothL1LossOHEM"
                raise self.error(text, "loss_param", "normalization")
            return found
        if loss.HasField("normalize"):
            return "VALID" if loss.normalize else "BATCH_SIZE"
        return self.default_normalization


class Classified(Normalized):
    """A loss over the classes along `axis` of the scores, one label for each prediction."""

    @cached_property
    def axis(self) -> int:
        return self.axis_of(self.message.softmax_param.axis)

    @property
    def classes(self) -> int:
        return self.bottoms[0].shape[self.axis]

    @property
    def label_classes(self) -> int:
        return self.classes

    def check_labels(self, scores: Shape, labels: Shape) -> None:
        """Raises NetdefError unless there is one label for each prediction."""
        predictions = prod(scores) // scores[self.axis]
        if prod(labels) != predictions:
            hint = ""
            if len(scores) == 4 and self.axis == 1:
                hint = f"labels of {shape_text((scores[0], 1, *scores[2:]))} fit"
            raise self.error(
                f"{self.named(0)} makes {predictions} predictions, {self.named(1)} holds {prod(labels)} labels",
                "bottom",
                1,
                hint=hint,
            )


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(Classified):
    """The mean of -log(softmax(scores)[label]).

    Bottoms: scores, labels. Tops: the loss, and optionally the probabilities.
    """

    tops_allowed = (1, 2)
    activation = "Softmax"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_batches(bottoms)
        self.check_labels(*bottoms)
        return [(), bottoms[0]][: max(1, len(self.message.top))]


@layer("InfogainLoss")
class InfogainLoss(AlongAxis, Classified):
    """The mean of -sum over k of H[label, k] * log(softmax(scores)[k]).

    Bottoms: scores, labels, and the matrix H (classes x classes) unless `source` names its file.
    Tops: the loss, and optionally the probabilities.
    """

    bottoms_allowed = (2, 3)
    tops_allowed = (1, 2)
    activation = "Softmax"
    no_gradient_to = (1, 2)

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_batches(bottoms)
        self.check_labels(*bottoms[:2])
        if len(bottoms) == 3 and prod(bottoms[2]) != self.classes**2:
            raise self.error(
                f"{self.named(2)} is not the {self.classes} x {self.classes} matrix that {self.classes} classes need",
                "bottom",
                2,
            )
        if len(bottoms) == 2 and not self.p.source:
            raise self.error("the matrix is missing: give it as a third bottom, or name its file in source")
        return [(), bottoms[0]][: max(1, len(self.message.top))]


class OneLabelEach(Loss):
    """A loss over the scores of a sample, one label for each sample."""

    @property
    def label_classes(self) -> int:
        scores = self.bottoms[0].shape
        return prod(scores[1:])


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(OneLabelEach):
    """The mean of -log(probabilities[label]). Bottoms: probabilities, labels."""

    reads_probabilities = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_one_label_each(bottoms)
        return [()]


@layer("HingeLoss")
class HingeLoss(OneLabelEach):
    """The mean over samples of sum(max(0, 1 - t * score) ** p), t 1 for the label's class, else -1, p 1 or 2."""

    @property
    def norm(self) -> str:
        """L1 or L2."""
        return enum_name(self.p, "norm")

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_one_label_each(bottoms)
        return [()]


@layer("EuclideanLoss")
class EuclideanLoss(Loss):
    """sum((a - b) ** 2) / (2 N)."""

    no_gradient_to = ()

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_sizes(bottoms)
        return [()]


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Normalized):
    """-sum(t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))), divided by the batch unless loss_param says otherwise.

    Bottoms: scores x, targets t between 0 and 1, of one size.
    """

    default_normalization = "BATCH_SIZE"
    activation = "Sigmoid"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_sizes(bottoms)
        return [()]


@layer("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """The mean over pairs of d ** 2 / 2 where they are alike, max(margin - d, 0) ** 2 / 2 where not, d = |a - b|.

    Bottoms: a and b (N x C), and whether they are alike (N). `legacy_version` takes max(margin - d ** 2, 0) instead.
    """

    bottoms_allowed = (3, 3)
    no_gradient_to = (2,)

    @property
    def margin(self) -> float:
        return self.p.margin

    @property
    def legacy_version(self) -> bool:
        return self.p.legacy_version

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_batches(bottoms)
        a, b, alike = bottoms
        if prod(a[1:2]) != prod(a[1:]) or prod(a) != prod(b):
            raise self.error(f"{self.named(0)} and {self.named(1)} must be vectors of one length", "bottom", 1)
        if prod(alike) != a[0]:
            raise self.error(f"{self.named(2)} must hold one number for each of the {a[0]} pairs", "bottom", 2)
        return [()]
