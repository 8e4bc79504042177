"""Boxes around objects: priors, proposals, detections and their loss."""

from __future__ import annotations

from functools import cached_property
from math import prod

from netdef.graph.layer import Layer, enum_name, layer
from netdef.graph.shape import Shape, shape_text
from netdef.layers.loss import Normalized

CORNERS = 4  # numbers of a box: left, top, right, bottom
DETECTION = 7  # numbers of a detection: image, label, score, left, top, right, bottom
TRUE_BOX = 8  # numbers of a true box: image, label, instance, left, top, right, bottom, difficult
EVALUATION = 5  # numbers of an evaluated detection: image, label, score, right, wrong


@layer("PriorBox")
class PriorBox(Layer):
    """The boxes, around each pixel of the first bottom, that predictions are relative to (Liu et al. 2016).

    Bottoms: a blob with one prediction a pixel and box, the image. For each pixel, and each min_size: a square of that side; with
    max_size one of side sqrt(min_size * max_size); for each other aspect_ratio r a box of width min_size * sqrt(r), height
    min_size / sqrt(r). Output: (1, 2, numbers): left, top, right, bottom of all boxes, from 0 to 1, then their variances.
    """

    bottoms_allowed = (2, 2)
    no_gradient_to = (0, 1)
    allows_in_place = False
    kind = "joining"
    origin = "SSD"

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """Ratios of width to height, 1 first; each only once."""
        found = [1.0]
        for ratio in self.p.aspect_ratio:
            if all(abs(ratio - other) >= 1e-6 for other in found):
                found += [ratio, 1 / ratio] if self.p.flip else [ratio]
        return tuple(found)

    @property
    def boxes(self) -> int:
        """How many boxes a pixel has."""
        return len(self.ratios) * len(self.p.min_size) + len(self.p.max_size)

    @property
    def variances(self) -> tuple[float, ...]:
        """One for all numbers of a box, or four."""
        return tuple(self.p.variance) or (0.1,)

    @property
    def window_text(self) -> tuple[str, str]:
        return f"{self.boxes} boxes a pixel", ""

    def image_size(self, image: Shape) -> tuple[int, int]:
        """(height, width) of the image."""
        if self.p.HasField("img_h") or self.p.HasField("img_w"):
            return self.p.img_h, self.p.img_w
        return (self.p.img_size,) * 2 if self.p.HasField("img_size") else (image[2], image[3])

    def steps(self, x: Shape, image: Shape) -> tuple[float, float]:
        """Pixels of the image from one pixel of the first bottom to the next: (down, to the right)."""
        if self.p.HasField("step_h") or self.p.HasField("step_w"):
            return self.p.step_h, self.p.step_w
        if self.p.HasField("step"):
            return self.p.step, self.p.step
        height, width = self.image_size(image)
        return height / x[2], width / x[3]

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.expect_axes(4, 4)
        self._check()
        x, image = bottoms
        if min(self.image_size(image)) < 1 or not min(self.steps(x, image)) > 0:
            raise self.error("the size of the image and the step must be positive: img_h with img_w, step_h with step_w")
        return [(1, 2, x[2] * x[3] * self.boxes * CORNERS)]

    def _check(self) -> None:
        """Raises NetdefError for sizes, ratios and variances that make no boxes."""
        sizes, larger = list(self.p.min_size), list(self.p.max_size)
        if not sizes:
            raise self.error("min_size, the side of a box in pixels, is missing", "min_size")
        for field in ("min_size", "aspect_ratio", "variance"):
            for index, number in enumerate(getattr(self.p, field)):
                if not number > 0:
                    raise self.error(f"{field} {number:g} must be positive", field, index)
        if larger and len(larger) != len(sizes):
            raise self.error(f"{len(larger)} max_size for {len(sizes)} min_size: give one for each, or none", "max_size")
        for index, (low, high) in enumerate(zip(sizes, larger, strict=False)):
            if high <= low:
                raise self.error(f"max_size {high:g} must be above min_size {low:g}", "max_size", index)
        if len(self.p.variance) not in (0, 1, CORNERS):
            raise self.error(f"{len(self.p.variance)} variances: give one, or four", "variance")
        for whole, halves in (("img_size", ("img_h", "img_w")), ("step", ("step_h", "step_w"))):
            if self.p.HasField(whole) and any(self.p.HasField(half) for half in halves):
                raise self.error(f"{whole} excludes {' and '.join(halves)}", whole)


class Predicted(Layer):
    """Settings of a layer that reads places and classes that were predicted for prior boxes."""

    @property
    def num_classes(self) -> int:
        return self.p.num_classes

    @property
    def places(self) -> int:
        """How many predictions of its place a box has: one, or one for each class."""
        return 1 if self.p.share_location else self.num_classes

    @property
    def code_type(self) -> str:
        """CORNER, CENTER_SIZE or CORNER_SIZE."""
        return enum_name(self.p, "code_type")

    def check_predictions(self, places: Shape, scores: Shape, priors: Shape) -> int:
        """How many prior boxes there are. Raises NetdefError if predictions do not fit them."""
        if self.num_classes < 1:
            raise self.error("num_classes, with the background, is missing", "num_classes")
        self.expect_axes(2, 2, 3)
        if priors[1] != 2 or priors[2] % CORNERS:
            text = f"{self.bottoms[2]} ({shape_text(priors)}) does not come from PriorBox: 1 x 2 x (4 x boxes)"
            raise self.error(text, "bottom", 2)
        boxes = priors[2] // CORNERS
        if places[0] != scores[0]:
            raise self.error(f"{self.bottoms[0]} and {self.bottoms[1]} differ in their number of images", "bottom", 1)
        for index, wanted in ((0, boxes * self.places * CORNERS), (1, boxes * self.num_classes)):
            found = prod(self.bottoms[index].shape[1:])
            if found != wanted:
                for_each = f"{self.places} x 4" if index == 0 else f"{self.num_classes}"
                text = f"{self.bottoms[index]} has {found} numbers an image; {boxes} boxes x {for_each} are {wanted}"
                raise self.error(text, "bottom", index)
        return boxes


@layer("DetectionOutput")
class DetectionOutput(Predicted):
    """The boxes that predictions mean, without those that overlap a better one of their class (Liu et al. 2016).

    Bottoms: places, scores of classes, boxes of PriorBox. Output: (1, 1, detections, 7): image, label, score, left, top, right,
    bottom, from 0 to 1. How many there are shows only in a run: the shape is that for as many as there can be.
    """

    bottoms_allowed = (3, 4)
    no_gradient_to = (0, 1, 2, 3)
    allows_in_place = False
    is_report = True
    kind = "result"
    origin = "SSD"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        boxes = self.check_predictions(*bottoms[:3])
        nms = self.p.nms_param
        if not nms.nms_threshold >= 0 or not 0 < nms.eta <= 1:
            raise self.error("nms_threshold must be at least 0, and eta above 0 and at most 1", "nms_param")
        return [(1, 1, bottoms[0][0] * self.most(boxes), DETECTION)]

    def most(self, boxes: int) -> int:
        """How many detections an image has at most."""
        kept = self.p.nms_param.top_k
        labels = self.num_classes - (0 <= self.p.background_label_id < self.num_classes)
        found = max(1, labels * (min(kept, boxes) if kept > 0 else boxes))
        return min(found, self.p.keep_top_k) if self.p.keep_top_k > 0 else found


@layer("MultiBoxLoss")
class MultiBoxLoss(Predicted, Normalized):
    """The loss over places and classes of the prior boxes, which are matched with true ones first (Liu et al. 2016).

    Bottoms: places, scores of classes, boxes of PriorBox, true boxes (1, 1, number, 8): image, label, instance, left, top, right,
    bottom, difficult.
    """

    bottoms_allowed = (4, 4)
    no_gradient_to = (2, 3)
    origin = "SSD"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.check_predictions(*bottoms[:3])
        if prod(bottoms[3]) % TRUE_BOX:
            text = f"{self.bottoms[3]} ({shape_text(bottoms[3])}) must hold {TRUE_BOX} numbers a box"
            raise self.error(text, "bottom", 3)
        return [()]


@layer("DetectionEvaluate")
class DetectionEvaluate(Layer):
    """Which detections are right: those that overlap a true box of their label that no better one does.

    Bottoms: detections, true boxes. Output: (1, 1, labels + detections, 5): image, label, score, right, wrong; before them
    one row a label, with the number of true boxes as its score.
    """

    bottoms_allowed = (2, 2)
    no_gradient_to = (0, 1)
    allows_in_place = False
    is_report = True
    kind = "result"
    origin = "SSD"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        if self.p.num_classes < 1:
            raise self.error("num_classes, with the background, is missing", "num_classes")
        for index, numbers in enumerate((DETECTION, TRUE_BOX)):
            if len(bottoms[index]) < 2 or bottoms[index][-1] != numbers:
                text = f"{self.bottoms[index]} ({shape_text(bottoms[index])}) must hold {numbers} numbers a box"
                raise self.error(text, "bottom", index)
        labels = self.p.num_classes - (self.p.background_label_id < self.p.num_classes)
        return [(1, 1, max(1, labels + bottoms[0][-2]), EVALUATION)]


@layer("Proposal")
class Proposal(Layer):
    """The regions that a region proposal network finds, without those that overlap a better one (Ren et al. 2015).

    Bottoms: probabilities (N, 2 x anchors, H, W), background first; changes to the anchors (N, 4 x anchors, H, W); height,
    width and scale of the images (N, 3 or more). Tops: regions (R, 5): image, left, top, right, bottom; optionally their scores
    (R, 1). R shows only in a run: the shape is that for post_nms_topn an image.
    """

    bottoms_allowed = (3, 3)
    tops_allowed = (1, 2)
    no_gradient_to = (0, 1, 2)
    allows_in_place = False
    kind = "joining"
    origin = "Faster R-CNN"

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(self.p.ratio) or (0.5, 1.0, 2.0)

    @property
    def scales(self) -> tuple[float, ...]:
        return tuple(self.p.scale) or (8.0, 16.0, 32.0)

    @property
    def anchors(self) -> int:
        """How many anchors a pixel has."""
        return len(self.ratios) * len(self.scales)

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        self.expect_axes(4, 4, 1)
        if not (min(self.ratios) > 0 and min(self.scales) > 0):
            raise self.error("each ratio and each scale must be positive", "ratio" if min(self.ratios) <= 0 else "scale")
        if self.p.feat_stride < 1 or self.p.base_size < 1 or self.p.post_nms_topn < 1:
            raise self.error("feat_stride, base_size and post_nms_topn must be at least 1")
        for index, each in ((0, 2), (1, CORNERS)):
            channels, wanted = bottoms[index][1], each * self.anchors
            if channels != wanted:
                text = f"{self.bottoms[index]} has {channels} channels; {self.anchors} anchors need {wanted}"
                raise self.error(text, "bottom", index)
        if bottoms[0][2:] != bottoms[1][2:] or bottoms[0][0] != bottoms[1][0]:
            raise self.error(f"{self.bottoms[0]} and {self.bottoms[1]} differ in images, height or width", "bottom", 1)
        regions: int = bottoms[0][0] * self.p.post_nms_topn
        tops: list[Shape] = [(regions, 5), (regions, 1)]
        return tops[: len(self.message.top)]
