"""Losses of detectors: smooth near zero, and over the hardest regions only."""

from __future__ import annotations

from math import prod

from netdef.graph.layer import Layer, layer
from netdef.graph.shape import Shape, shape_text
from netdef.layers.loss import Loss, Normalized, SoftmaxWithLoss


@layer("SmoothL1Loss")
class SmoothL1Loss(Loss):
    """The sum of w_out * f(w_in * (a - b)), divided by the batch; f(d) = sigma ** 2 * d ** 2 / 2 where |d| < 1 / sigma ** 2, else
    |d| - 1 / (2 * sigma ** 2) (Girshick 2015).

    Bottoms: a, b, and optionally weights, w_in or w_in and w_out, all of one shape.
    """

    bottoms_allowed = (2, 4)
    no_gradient_to = (2, 3)
    origin = "Fast R-CNN"

    @property
    def sigma(self) -> float:
        return self.p.sigma

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        check_one_shape(self, bottoms)
        return [()]


@layer("SmoothL1LossOHEM")
class SmoothL1LossOHEM(Normalized):
    """SmoothL1Loss with sigma 1, and the loss of each region as a second top (Dai et al. 2016).

    Bottoms: a, b, and optionally weights w_in, all of one shape. Tops: the loss, and optionally that of each region (N, 1, H, W).
    """

    bottoms_allowed = (2, 3)
    tops_allowed = (1, 2)
    no_gradient_to = (2,)
    takes_fixed_divisor = True
    origin = "R-FCN"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        check_one_shape(self, bottoms)
        x = bottoms[0]
        return [(), (x[0], 1, *(x[2:] or (1, 1)))][: max(1, len(self.message.top))]


@layer("SoftmaxWithLossOHEM")
class SoftmaxWithLossOHEM(SoftmaxWithLoss):
    """SoftmaxWithLoss, and the loss of each prediction as a third top (Dai et al. 2016).

    Bottoms: scores, labels. Tops: the loss, and optionally the probabilities and the loss of each prediction.
    """

    tops_allowed = (1, 3)
    takes_fixed_divisor = True
    origin = "R-FCN"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_batches(bottoms)
        self.check_labels(*bottoms)
        return [(), *bottoms][: max(1, len(self.message.top))]


@layer("BoxAnnotatorOHEM")
class BoxAnnotatorOHEM(Layer):
    """Of each image, the roi_per_img regions of the largest losses keep label and weights; the others get ignore_label and 0.

    Bottoms: regions (R, 5), losses (R,), labels (R,), and the weights (R, C) of their losses over places; or each with rows and
    columns, (R, ..., H, W), where each pixel counts as a region (Dai et al. 2016). Tops: labels, weights.
    """

    bottoms_allowed = (4, 4)
    tops_allowed = (2, 2)
    no_gradient_to = (0, 1, 2, 3)
    allows_in_place = False
    kind = "joining"
    origin = "R-FCN"

    @property
    def roi_per_img(self) -> int:
        return self.p.roi_per_img

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if not self.message.HasField("box_annotator_ohem_param") or self.roi_per_img < 1:
            raise self.error("roi_per_img, the regions of an image that are taken, is missing", "roi_per_img")
        regions, losses, labels, weights = bottoms
        self.expect_axes(2, 1, 1, 2)
        if regions[1] != 5:
            raise self.error(f"{self.bottoms[0]} ({shape_text(regions)}) must hold 5 numbers a region", "bottom", 0)
        pixels = prod(regions[2:])
        if weights[0] != regions[0] or prod(weights[2:]) != pixels:
            text = f"{self.bottoms[0]} and {self.bottoms[3]} differ in their number of regions, or in rows and columns"
            raise self.error(text, "bottom", 3)
        for index, shape in ((1, losses), (2, labels)):
            if prod(shape) != regions[0] * pixels or (pixels > 1 and shape[0] != regions[0]):
                text = f"{self.bottoms[index]} ({shape_text(shape)}) must hold one number for each of {regions[0] * pixels} regions"
                raise self.error(text, "bottom", index)
        return [(regions[0], 1, *(weights[2:] or (1, 1))), (*weights, 1, 1)[: max(4, len(weights))]]


def check_one_shape(loss: Loss, bottoms: tuple[Shape, ...]) -> None:
    """Raises NetdefError unless all bottoms have the shape of the first, but for axes of one element at the end."""
    loss.expect_axes(1)
    for index, shape in enumerate(bottoms):
        longest = max(len(shape), len(bottoms[0]))
        a, b = ((*one, *(1,) * (longest - len(one))) for one in (bottoms[0], shape))
        if a != b:
            raise loss.error(f"{loss.named(0)} and {loss.named(index)} differ in shape", "bottom", index)
