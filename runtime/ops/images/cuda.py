"""Launches of image_transform.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cuda.grids import blocks, ints, name, rows, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand, Pointer

TILE, ROWS = 32, 8  # image_transform.cu's


def transform(function: str, images: Operand, pointers: tuple[Pointer, ...], top: Operand, scale: float) -> Launch:
    """A block for each tile of images and pixels, and each row of the top."""
    (_, height, across, _), (C, H, W, N) = images.shape, top.shape
    grid = (blocks(N, TILE) * blocks(W, TILE), rows(H), 1)
    scalars = *ints(H, W, N, height, across), np.float32(scale)
    pixel = "unsigned char" if images.dtype == "uint8" else "float"
    return Launch("image_transform.cu", name(function, width(top, run=N), C, pixel), grid, (TILE, ROWS, 1), pointers, scalars)


@plans
def image_transform(images: Operand, offsets: Operand, mirrors: Operand, top: Operand, mean: Any, scale: float) -> Launch:
    return transform("image_transform", images, (0, 1, 2, "mean", 3), top, scale)


@plans
def image_transform_shifted(
    images: Operand, offsets: Operand, mirrors: Operand, shifts: Operand, top: Operand, mean: Any, scale: float
) -> Launch:
    return transform("image_transform_shifted", images, (0, 1, 2, 3, "mean", 4), top, scale)
