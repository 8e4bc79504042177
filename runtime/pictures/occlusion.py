"""Which regions of an image a class depends on: its probability while a square covers them (Zeiler and Fergus 2014, 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHARE = 0.2  # of the image's shorter side: the side of the square

Scores = Callable[[NDArray[np.float32]], NDArray[np.float64]]  # (N, C, H, W) -> N probabilities of the class


@dataclass(frozen=True)
class Occlusion:
    """What covering does.

    Attributes
    ----------
    heat: (H, W): by how much the probability falls, mean over the squares that cover a pixel.
    whole: the probability of the class with nothing covered.  least, most: with a square, the lowest and the highest.
    side: of the square, in pixels.
    """

    heat: NDArray[np.float64]
    whole: float
    least: float
    most: float
    side: int


def occlude(image: NDArray[np.float32], scores: Scores, batch: int, positions: int) -> Occlusion:
    """Cover an image by a square in the image's mean colour, at one position after the other.

    Parameters
    ----------
    image: (C, H, W), as the net takes it.  batch: images that `scores` takes at a time.
    positions: of the square, along each side.
    """
    _, height, width = image.shape
    side = max(1, round(SHARE * min(height, width)))
    corners = [(top, left) for top in starts(height - side, positions) for left in starts(width - side, positions)]
    sums, counts = np.zeros((height, width)), np.zeros((height, width))
    whole = float(scores(np.repeat(image[None], batch, axis=0))[0])
    least, most = 1.0, 0.0
    for group in in_groups(corners, batch):
        covered = np.repeat(image[None], batch, axis=0)
        for row, (top, left) in zip(covered, group, strict=False):
            row[:, top : top + side, left : left + side] = image.mean(axis=(1, 2), keepdims=True)
        for probability, (top, left) in zip(scores(covered), group, strict=False):
            sums[top : top + side, left : left + side] += probability
            counts[top : top + side, left : left + side] += 1
            least, most = min(least, float(probability)), max(most, float(probability))
    mean = np.divide(sums, counts, out=np.full_like(sums, whole), where=counts > 0)
    return Occlusion(whole - mean, whole, least, most, side)


def starts(last: int, positions: int) -> list[int]:
    """Where a square begins along a side: from 0 to `last`, evenly, none twice."""
    return sorted({round(start) for start in np.linspace(0, last, positions)})


def in_groups(corners: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for first in range(0, len(corners), size):
        yield corners[first : first + size]


def overlay(picture: Image.Image, heat: NDArray[np.float64]) -> Image.Image:
    """The picture in gray, and over it in red where covering lowers the probability, in blue where it raises it."""
    size = picture.size
    gray = np.asarray(picture.convert("L"), np.float64)[..., None] / 255
    most = np.abs(heat).max() or 1.0
    scaled = Image.fromarray((heat / most).astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    strength = np.asarray(scaled, np.float64)[..., None]
    colour = np.where(strength > 0, np.array([0.9, 0.1, 0.1]), np.array([0.1, 0.35, 0.95]))
    share = 0.75 * np.abs(strength)
    return Image.fromarray(np.rint(255 * ((1 - share) * (0.25 + 0.6 * gray) + share * colour)).clip(0, 255).astype(np.uint8))
