"""Settings of layers of boxes, as their kernels take them."""

from __future__ import annotations

from typing import NamedTuple


class Selection(NamedTuple):
    """Which detections are kept.

    Parameters
    ----------
    classes, background: how many there are, and which is none.
    places: predictions of its place that a box has: 1, or one a class.
    code, encoded: what a prediction means; whether it is a multiple of the variances already.
    least: the score that a detection has to exceed; nms, eta, top: see suppressed, and how many of a class take part, -1 for all.
    keep: how many an image keeps, -1 for all.
    """

    classes: int
    background: int
    places: int
    code: str
    encoded: bool
    least: float
    nms: float
    eta: float
    top: int
    keep: int


class Search(NamedTuple):
    """stride: pixels of the image for each of the bottoms; least: side; before, after: how many are compared, and kept."""

    stride: int
    least: int
    before: int
    after: int
    nms: float


class Matching(NamedTuple):
    """Settings of MultiBoxLoss.

    Parameters
    ----------
    classes, background, places, code, encoded: as a Selection's.
    best_only, threshold: whether a true box has one prior box, or also all that overlap it so much; by_priors: not predicted boxes.
    inside_only: boxes beyond the image are left out; inside_gradient: such sides get no gradient.
    mining, ratio, least: which negatives count: NONE (all), MAX_NEGATIVE or HARD_EXAMPLE; how many for each positive, and below
    which overlap; sample: how many examples of an image; nms, top, nms_by_priors: how examples that overlap are reduced, 0 for not.
    weight, smooth, softmax: of places; the losses.
    difficult, agnostic: whether difficult boxes count, and all classes as one.
    normalization: what divides.
    """

    classes: int
    background: int
    places: int
    code: str
    encoded: bool
    best_only: bool
    threshold: float
    by_priors: bool
    inside_only: bool
    inside_gradient: bool
    mining: str
    ratio: float
    least: float
    sample: int
    nms: float
    top: int
    nms_by_priors: bool
    weight: float
    smooth: bool
    softmax: bool
    difficult: bool
    agnostic: bool
    normalization: str
