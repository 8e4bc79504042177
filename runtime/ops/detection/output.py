"""Detections: for each image and class the boxes of the highest scores that do not overlap (detection_output_layer.cpp of SSD)."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cpu.registry import kernel
from runtime.ops.detection.boxes import Boxes, decode, suppressed
from runtime.ops.detection.settings import Selection


@kernel(items=lambda *_: 1, flops=0)
def detect(begin: int, end: int, places: Any, scores: Any, priors: Any, detections: Any, selection: Selection) -> None:
    """detections (rows, 7): image, label, score, box; image after image, label after label.

    Rows that are left over are -1.  Where nothing is found, the first rows have an image each, as SSD has it.

    Parameters
    ----------
    places (boxes * places * 4, N), scores (boxes * classes, N), priors (2, boxes * 4).
    """
    corners, variances = priors.reshape(2, -1, 4)
    variances = np.ones_like(variances) if selection.encoded else variances
    row, images = 0, scores.shape[1]
    if np.isnan(scores).any() or np.isnan(places).any():
        detections[...] = np.nan  # a comparison would hide it
        return
    detections[...] = -1
    for image in range(images):
        chances = scores[:, image].reshape(-1, selection.classes)
        moves = places[:, image].reshape(-1, selection.places, 4)
        boxes = [decode(moves[:, place], corners, variances, selection.code) for place in range(selection.places)]
        for label, index in best(chances, boxes, selection):
            box = boxes[label if selection.places > 1 else 0][index]
            detections[row] = (image, label, chances[index, label], *box)
            row += 1
    if row == 0:
        detections[:images, 0] = np.arange(images)


def best(chances: Boxes, boxes: list[Boxes], selection: Selection) -> list[tuple[int, int]]:
    """(label, box) of an image's detections."""
    found: list[tuple[int, int]] = []
    for label in range(selection.classes):
        if label != selection.background:
            mine = boxes[label if selection.places > 1 else 0]
            order = highest(chances[:, label], selection.least, selection.top)
            kept = suppressed(mine, order, selection.nms, selection.eta, order.size, False)
            found += [(label, int(index)) for index in kept]
    if 0 <= selection.keep < len(found):
        ranks = np.argsort([-chances[index, label] for label, index in found], kind="stable")[: selection.keep]
        found = sorted((found[rank] for rank in ranks), key=lambda pair: pair[0])
    return found


def highest(scores: Any, least: float, most: int) -> Any:
    """The indices of the scores above `least`, the highest first; `most` of them, all if that is below 0."""
    (above,) = np.nonzero(scores > np.float32(least))
    order = above[np.argsort(-scores[above], kind="stable")]
    return order[:most] if most >= 0 else order
