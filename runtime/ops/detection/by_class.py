"""What regions of an image show, by the scores and boxes that a net gives each class (test.py of Fast R-CNN)."""

from __future__ import annotations

import numpy as np

from runtime.ops.detection.boxes import ONE, Boxes, suppressed
from runtime.ops.detection.output import highest
from runtime.ops.detection.proposal import moved

SUPPRESSION = 0.3  # the largest overlap of two objects of a class


def by_class(regions: Boxes, moves: Boxes, scores: Boxes, size: tuple[int, int], least: float) -> Boxes:
    """Objects (count, 6): label, score, left, top, right, bottom; of each class those that overlap no better one.

    Parameters
    ----------
    regions (R, 4): left, top, right, bottom in pixels of the image.
    moves (R, 4 * classes): what changes a region to the box of each class; or (R, 8), whose last 4 hold for all classes.
    scores (R, classes), the background first.  size: width and height of the image.  least: the lowest score of an object.
    """
    classes, found = scores.shape[1], [np.empty((0, 6), np.float32)]
    limits = np.tile(np.array(size, np.float32), 2) - ONE
    for label in range(1, classes):
        own = scores[:, label]
        order = highest(own, -np.inf, -1)
        order = order[own[order] >= least]
        mine = moves[:, 4 * label :][:, :4] if moves.shape[1] == 4 * classes else moves[:, 4:]
        with np.errstate(over="ignore"):  # a box that is much too large ends at the border
            boxes = np.clip(moved(regions, mine), np.float32(0), limits)
        kept = suppressed(boxes, order, SUPPRESSION, 1.0, order.size, True)
        found.append(np.column_stack([np.full(kept.size, label), own[kept], boxes[kept]]))
    return np.concatenate(found)
