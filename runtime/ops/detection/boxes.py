"""Boxes (count, 4) of left, top, right, bottom: overlaps, suppression of the lesser one, and how predictions encode them.

What defines them: bbox_util.cpp of SSD's Caffe, where boxes count in shares of the image, and nms of Faster R-CNN, where they count
in pixels and a box from pixel 3 to 3 is one pixel wide: `whole`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.kernels.cpu.jit import jit

Boxes = NDArray[Any]  # float32
exact = partial(jit, fast_math=())  # what is kept depends on comparisons
HALF, ONE, ZERO = np.float32(0.5), np.float32(1), np.float32(0)


@exact
def area(box: Any, extra: Any) -> Any:
    """0 of a box that is turned about; extra: 1 of boxes in whole pixels, else 0."""
    width, height = box[2] - box[0], box[3] - box[1]
    return ZERO if width < ZERO or height < ZERO else (width + extra) * (height + extra)


@exact
def overlap(a: Any, b: Any, extra: Any) -> Any:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + extra
    height = min(a[3], b[3]) - max(a[1], b[1]) + extra
    if not (width > ZERO and height > ZERO):
        return ZERO
    inside = width * height
    return inside / (area(a, extra) + area(b, extra) - inside)


@exact
def suppressed(boxes: Boxes, order: Any, threshold: float, eta: float, most: int, whole: bool) -> Any:
    """Which of the boxes, in this order, overlap none before them by more than the threshold; `most` of them.

    eta: a factor on a threshold above 0.5 after each box that is kept.
    """
    kept, count = np.empty(order.size, np.int64), 0
    limit, extra = np.float32(threshold), ONE if whole else ZERO
    for index in order:
        if count == most:
            break
        free = True
        for other in kept[:count]:
            if not (overlap(boxes[index], boxes[other], extra) <= limit):
                free = False
                break
        if free:
            kept[count] = index
            count += 1
            if eta < 1 and limit > HALF:
                limit *= np.float32(eta)
    return kept[:count]


@exact
def overlaps(a: Boxes, b: Boxes) -> Boxes:
    """Intersection over union of each of a with each of b."""
    result = np.empty((a.shape[0], b.shape[0]), np.float32)
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            result[i, j] = overlap(a[i], b[j], ZERO)
    return result


def centres(boxes: Boxes) -> tuple[Boxes, Boxes]:
    """(centres, sides), each (count, 2)."""
    return (boxes[:, :2] + boxes[:, 2:]) / np.float32(2), boxes[:, 2:] - boxes[:, :2]


def decode(places: Boxes, priors: Boxes, variances: Boxes, code: str) -> Boxes:
    """The boxes that predictions mean, relative to prior boxes; variances: factors of the predictions, ones for none."""
    moves = places * variances
    if code == "CORNER":
        return priors + moves
    centre, side = centres(priors)
    if code == "CORNER_SIZE":
        return priors + moves * np.tile(side, 2)
    middle, half = moves[:, :2] * side + centre, np.exp(moves[:, 2:]) * side / np.float32(2)
    return np.concatenate([middle - half, middle + half], axis=1)


def encode(boxes: Boxes, priors: Boxes, variances: Boxes, code: str) -> Boxes:
    """What would have to be predicted to mean these boxes."""
    if code == "CORNER":
        return (boxes - priors) / variances
    centre, side = centres(priors)
    if code == "CORNER_SIZE":
        return (boxes - priors) / np.tile(side, 2) / variances
    middle, sides = centres(boxes)
    return np.concatenate([(middle - centre) / side, np.log(sides / side)], axis=1) / variances
