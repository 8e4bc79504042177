"""Launches of image_transform.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cuda.grids import blocks, ints, rows
from runtime.kernels.cuda.registry import Launch, Operand, plans

TILE, ROWS = 32, 8  # image_transform.cu's


@plans
def image_transform(images: Operand, offsets: Operand, mirrors: Operand, top: Operand, mean: Any, scale: float) -> Launch:
    (N, height, width, _), (C, H, W, _) = images.shape, top.shape
    grid = (blocks(N, TILE) * blocks(W, TILE), rows(H), 1)
    scalars = *ints(C, H, W, N, height, width), np.float32(scale)
    return Launch("image_transform.cu", "image_transform", grid, (TILE, ROWS, 1), (0, 1, 2, "mean", 3), scalars)
