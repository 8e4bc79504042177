"""The regions that a region proposal network finds (proposal_layer.py of Faster R-CNN)."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cpu.registry import kernel
from runtime.ops.detection.boxes import HALF, ONE, Boxes, suppressed
from runtime.ops.detection.output import highest
from runtime.ops.detection.settings import Search


@kernel(items=lambda *_: 1, flops=0)
def propose(
    begin: int, end: int, scores: Any, moves: Any, info: Any, regions: Any, chances: Any, anchors: Boxes, search: Search
) -> None:
    """regions (5, rows): image, left, top, right, bottom, the highest score first; chances (rows,): their scores.

    Rows that are left over have image -1, corners and score 0: layers over regions make zeros of them.

    Parameters
    ----------
    scores (2 * anchors, H, W, N), background first; moves (4 * anchors, H, W, N); info (3 or more, N): height, width, scale.
    """
    if np.isnan(scores).any() or np.isnan(moves).any():
        regions[...], chances[...] = np.nan, np.nan  # a comparison would hide it
        return
    regions[...], chances[...], row = 0, 0, 0
    regions[0] = -1
    A, (H, W, N) = anchors.shape[0], scores.shape[1:]
    x, y = np.meshgrid(np.arange(W, dtype=np.float32) * search.stride, np.arange(H, dtype=np.float32) * search.stride)
    shifts = np.stack([x, y, x, y], axis=-1)
    for image in range(N):
        placed = (shifts[:, :, None] + anchors).reshape(-1, 4)
        mine = moves[..., image].reshape(A, 4, H, W).transpose(2, 3, 0, 1).reshape(-1, 4)
        boxes = moved(placed, mine)
        height, width = info[0, image], info[1, image]
        boxes = np.clip(boxes, np.float32(0), np.array([width, height, width, height], np.float32) - ONE)
        sides = boxes[:, 2:] - boxes[:, :2] + ONE
        factors = info[[3, 2] if info.shape[0] > 3 else [2, 2], image]
        (large,) = np.nonzero((sides >= search.least * factors).all(axis=1))
        own = scores[A:, ..., image].transpose(1, 2, 0).reshape(-1)[large]
        order = highest(own, -np.inf, search.before if search.before > 0 else -1)
        kept = suppressed(boxes[large], order, search.nms, 1.0, search.after, True)
        rows = slice(row, row + kept.size)
        regions[0, rows], regions[1:, rows], chances[rows] = image, boxes[large][kept].T, own[kept]
        row += kept.size


def moved(boxes: Boxes, moves: Boxes) -> Boxes:
    """Boxes in whole pixels with the centre moved and the sides changed as predicted."""
    sides = boxes[:, 2:] - boxes[:, :2] + ONE
    centre = boxes[:, :2] + HALF * sides
    middle, half = moves[:, :2] * sides + centre, HALF * np.exp(moves[:, 2:]) * sides
    return np.concatenate([middle - half, middle + half], axis=1)
