"""A random size for each image, before it is cropped: as Intel's Caffe has it, and as NVIDIA's has it."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any

from PIL.Image import Resampling

from netdef.layers.transforms import RANDOM_SIZES
from runtime.data.draws import SIZE, Draws, below, between

WAYS = (Resampling.NEAREST, Resampling.BILINEAR, Resampling.BICUBIC, Resampling.BOX)  # by the numbers of InterpolationAlgo

Range = tuple[float, float]


@dataclass(frozen=True)
class ShorterSide:
    """random_resize_param: the shorter side between two numbers of pixels; 0 stands for the image's own side."""

    least: int
    largest: int

    def of(self, draws: Draws, position: int, size: tuple[int, int]) -> tuple[tuple[int, int], Resampling]:
        """(height, width) that the image at a position is brought to, and how, given its own.

        Intel Caffe's data_transformer.cpp and im_transforms.cpp define it.
        """
        shorter, longer = min(size), max(size)
        least, largest = self.least or shorter, self.largest or longer
        side = least + below(draws.words(SIZE, position)[0], max(1, largest - least + 1))
        height, width = size
        sides = (side, width * side // height) if height < width else (height * side // width, side)
        return sides, Resampling.BILINEAR


@dataclass(frozen=True)
class Stretches:
    """NVIDIA's ranges: of the shorter side, of the ratio of the longer one to it, and of factors of height and width.

    sides, ratios: None keep those of the image.  at_least: the crop's sides.  down, up: how pixels are found.
    """

    sides: tuple[int, int] | None
    ratios: Range | None
    vertical: Range
    horizontal: Range
    at_least: tuple[int, int]
    down: Resampling
    up: Resampling
    grows: bool

    def of(self, draws: Draws, position: int, size: tuple[int, int]) -> tuple[tuple[int, int], Resampling]:
        """As `ShorterSide.of`; NVIDIA Caffe's data_transformer.cpp defines it."""
        first, second = draws.words(SIZE, position), draws.words(SIZE, position, 1)
        shorter = min(size)
        side = shorter if self.sides is None else self.sides[0] + below(first[0], self.sides[1] - self.sides[0] + 1)
        height, width = (extent * side / shorter for extent in size)
        if self.ratios is not None:
            ratio = between(first[1], *self.ratios)
            if width > height or (width == height and first[2] & 1):
                width = height * ratio
            else:
                height = width * ratio
        height, width = height * between(first[3], *self.vertical), width * between(second[0], *self.horizontal)
        wanted = [max(least, floor(extent + 0.5)) for least, extent in zip(self.at_least, (height, width), strict=True)]
        if not self.grows:
            wanted = [min(extent, own) for extent, own in zip(wanted, size, strict=True)]
        shrinks = wanted[0] <= size[0] and wanted[1] <= size[1]
        return (wanted[0], wanted[1]), self.down if shrinks else self.up


RandomSize = ShorterSide | Stretches


def random_size(layer: Any) -> RandomSize | None:
    """What the transform_param of a layer of images asks for; None if images keep their sizes."""
    transform = layer.message.transform_param
    if not layer.draws_sizes:
        return None
    if transform.HasField("random_resize_param"):
        return ShorterSide(transform.random_resize_param.min_size, transform.random_resize_param.max_size)
    values = [getattr(transform, field) for field in RANDOM_SIZES]
    sides, ratios, vertical, horizontal = zip(values[::2], values[1::2], strict=True)
    down, up = WAYS[transform.interpolation_algo_down], WAYS[transform.interpolation_algo_up]
    own = (sides if sides[1] else None, ratios if ratios[1] else None, vertical, horizontal)
    return Stretches(*own, at_least=layer.crop, down=down, up=up, grows=transform.allow_upscale)
