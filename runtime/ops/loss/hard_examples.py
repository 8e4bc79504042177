"""The loss of each prediction, and the regions that have the largest: NumPy on the host (R-FCN's layers, OHEM in their names)."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cpu.registry import kernel

TINY = np.finfo(np.float32).tiny


@kernel(items=lambda *_: 1, flops=14)
def prediction_losses(begin: int, end: int, probability: Any, labels: Any, losses: Any, ignore: float) -> None:
    """losses = -log(probability (outer, C, inner) of the label); 0 where that is ignored.  labels, losses: flat."""
    outer, _, inner = probability.shape
    counted = labels != ignore
    classes = np.where(counted, labels, 0).astype(np.int64).reshape(outer, 1, inner)
    chances = np.take_along_axis(probability, classes, axis=1).reshape(-1)
    losses[...] = np.where(counted, -np.log(np.maximum(chances, TINY)), 0)


@kernel(items=lambda *_: 1, flops=7)
def region_losses(begin: int, end: int, a: Any, b: Any, inside: Any, losses: Any, has_inside: bool) -> None:
    """losses (R,) = the sum over channels of the smooth L1 loss, sigma 1, of inside * (a - b), all (C, R)."""
    apart = (a - b) * inside if has_inside else a - b
    size = np.abs(apart)
    losses[...] = np.where(size < 1, apart * apart / 2, size - np.float32(0.5)).sum(axis=0)


@kernel(items=lambda *_: 1, flops=0)
def hardest_regions(
    begin: int, end: int, regions: Any, losses: Any, labels: Any, weights: Any, kept: Any, kept_weights: Any, count: int,
    ignore: int,
) -> None:  # fmt: skip
    """Labels (R,) and weights (C, R) of each image's `count` regions (5, R) of the largest losses (R,); else `ignore` and 0."""
    kept[...], kept_weights[...] = ignore, 0
    for image in np.unique(regions[0]):
        (mine,) = np.nonzero(regions[0] == image)
        hardest = mine[np.argsort(-losses[mine], kind="stable")[:count]]
        kept[hardest], kept_weights[:, hardest] = labels[hardest], weights[:, hardest]
