"""The boxes of PriorBox and the anchors of Proposal, which shapes and settings fix."""

from __future__ import annotations

import numpy as np

from netdef.layers.boxes import PriorBox, Proposal
from runtime.ops.detection.boxes import Boxes


def prior_boxes(layer: PriorBox) -> Boxes:
    """(2, numbers): corners in shares of the image, pixel by pixel, then their variances (prior_box_layer.cpp of SSD's Caffe)."""
    rows, columns = layer.bottoms[0].shape[2:4]
    height, width = layer.image_size(layer.bottoms[1].shape)
    down, right = layer.steps(layer.bottoms[0].shape, layer.bottoms[1].shape)
    sides = np.array(_sides(layer), np.float32)
    x, y = (np.arange(count, dtype=np.float32) + np.float32(layer.p.offset) for count in (columns, rows))
    centre = np.stack(np.meshgrid(x * np.float32(right), y * np.float32(down)), axis=-1)[:, :, None]
    image = np.array([width, height], np.float64)
    low, high = ((centre + sign * sides / 2.0) / image for sign in (-1, 1))
    boxes = np.concatenate([low, high], axis=-1).astype(np.float32).reshape(-1)
    if layer.p.clip:
        boxes = np.clip(boxes, 0, 1)
    variances = np.array(layer.variances, np.float32)
    return np.stack([boxes, np.tile(variances, boxes.size // variances.size)])


def _sides(layer: PriorBox) -> list[tuple[float, float]]:
    """(width, height) of each box of a pixel.  Forks keep sizes as whole pixels."""
    sides: list[tuple[float, float]] = []
    for index, size in enumerate(int(size) for size in layer.p.min_size):
        sides.append((size, size))
        if layer.p.max_size:
            between = (size * int(layer.p.max_size[index])) ** 0.5
            sides.append((between, between))
        others = (ratio for ratio in layer.ratios if abs(ratio - 1) >= 1e-6)
        sides += [(size * ratio**0.5, size / ratio**0.5) for ratio in others]
    return sides


def anchors(layer: Proposal) -> Boxes:
    """(anchors, 4), around the first pixel: ratios change slowest (generate_anchors.py of Faster R-CNN)."""
    base, made = layer.p.base_size, []
    centre = 0.5 * (base - 1)
    for ratio in layer.ratios:
        width = np.floor(np.sqrt(base * base / ratio) + 0.5)
        height = np.floor(width * ratio + 0.5)
        for scale in layer.scales:
            x, y = 0.5 * (width * scale - 1), 0.5 * (height * scale - 1)
            made.append((centre - x, centre - y, centre + x, centre + y))
    return np.array(made, np.float32)
