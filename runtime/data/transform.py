"""From a decoded picture to what a net sees: the one way for training, testing and predicting.

    read_image       a file, upright, in colour or gray                                     (decoding.py)
    to_sample        resized; where to crop it, whether to mirror it, how to shift its colours
    image_transform  (pixel - mean + shift) * scale of the crop, blue first, on the device  (runtime/ops/images, mean_of)

Caffe's data_transformer.cpp defines crops, mirrors, mean and scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netdef.language.diagnostics import NetdefError
from runtime.data.color import color_shift
from runtime.data.draws import AUGMENT, REGION, Draws, below, between
from runtime.data.resampling import resample
from runtime.data.settings import Resize, Settings
from runtime.data.source import Picture, Sample

COLORS = 3  # channels that Pillow takes at once; it mixes four, of which it takes the last for a share
SET_SIZE = "set new_height and new_width"


def to_sample(image: Picture, label: float | Sequence[float], settings: Settings, draws: Draws, position: int, name: str) -> Sample:
    """A decoded image as the sample at a position of its source's stream.

    Parameters
    ----------
    draws: the layer's random numbers.  name: of the image, for messages.

    Raises
    ------
    NetdefError: the image is not resized and does not have the size that the net needs.
    """
    if settings.resize:
        image = resized(image, settings.resize)
    if settings.regions:
        box = region(settings, draws, position, size_of(image))
        image = resampled(image, settings.image_size, box)
    if settings.sizes:
        size, how = settings.sizes.of(draws, position, size_of(image))
        image = resized(image, Resize(*size), how)
    size = size_of(image)
    offset, mirror = augment(settings, draws, position, size)
    if size != settings.image_size:
        image, offset = cropped(image, settings, offset, name), (0, 0)
    return Sample(image, label, offset, mirror, color_shift(settings.colors, draws, position))


def size_of(image: Picture) -> tuple[int, int]:
    """Height and width."""
    return image.shape[:2] if isinstance(image, np.ndarray) else (image.height, image.width)


def augment(settings: Settings, draws: Draws, position: int, size: tuple[int, int]) -> tuple[tuple[int, int], bool]:
    """Where the sample at a position is cropped (top, left) and whether it is mirrored, given its height and width.

    In training the crop is anywhere, in testing in the centre; a layer with `mirror: true` mirrors in both, as in Caffe.
    """
    words = draws.words(AUGMENT, position)
    spare = [max(0, side - crop) for side, crop in zip(size, settings.crop or size, strict=True)]
    top, left = (below(w, s + 1) if settings.train else s // 2 for w, s in zip(words, spare, strict=False))
    return (top, left), settings.mirror and bool(words[2] & 1)


def region(settings: Settings, draws: Draws, position: int, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The region (left, top, right, bottom) of the sample at a position that is brought to the crop, given its height and width.

    Intel Caffe's data_transformer.cpp defines it, but for shares and changes, which there are multiples of a thousandth.
    """
    regions, (height, width) = settings.regions, size
    assert regions is not None
    for attempt in range(regions.attempts):
        share, change, turned, top = draws.words(REGION, position, 2 * attempt)
        left = draws.words(REGION, position, 2 * attempt + 1)[0]
        side = sqrt(between(share, regions.least, regions.largest) * height * width)
        factor = between(change, regions.change, 1 / regions.change)
        high, wide = int(side * factor), int(side / factor)
        if turned & 1:
            high, wide = wide, high
        if 0 < high <= height and 0 < wide <= width:
            y, x = below(top, height - high + 1), below(left, width - wide + 1)
            return float(x), float(y), float(x + wide), float(y + high)
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    return float(x), float(y), float(x + side), float(y + side)


def cropped(image: Picture, settings: Settings, offset: tuple[int, int], name: str) -> Picture:
    """The crop of an image in a source whose images may differ in size.

    Raises
    ------
    NetdefError: the image is smaller than the crop, or a mean image or the net demands one size.
    """
    crop, size, (height, width) = settings.crop, settings.image_size, size_of(image)
    if size != crop:
        raise NetdefError(f"{name} is {height} x {width}, not {size[0]} x {size[1]} as {settings.size_given_by} is", hint=SET_SIZE)
    if height < crop[0] or width < crop[1]:
        wanted = f"crop_size {crop[0]}" if crop[0] == crop[1] else f"the crop of {crop[0]} x {crop[1]}"
        raise NetdefError(f"{name} is {height} x {width}, smaller than {wanted}", hint=SET_SIZE)
    top, left = offset
    bottom, right = top + crop[0], left + crop[1]
    return image[top:bottom, left:right] if isinstance(image, np.ndarray) else image.crop((left, top, right, bottom))


def resized(image: Picture, resize: Resize, how: Image.Resampling = Image.Resampling.BILINEAR) -> Picture:
    """An image brought to a size.

    Bilinear over the area that a pixel of the result covers, so that making an image smaller does not alias; Caffe, which
    takes OpenCV's bilinear, samples four pixels whatever the ratio.
    """
    height, width = size_of(image)
    if (height, width) == (resize.height, resize.width):
        return image
    box = (0.0, 0.0, float(width), float(height))
    if not resize.stretch:
        ratio = min(width / resize.width, height / resize.height)
        left, top = (width - ratio * resize.width) / 2, (height - ratio * resize.height) / 2
        box = (left, top, left + ratio * resize.width, top + ratio * resize.height)
    return resampled(image, (resize.height, resize.width), box, how)


def resampled(
    image: Picture,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    how: Image.Resampling = Image.Resampling.BILINEAR,
) -> Picture:
    """The box (left, top, right, bottom) of an image, brought to (height, width)."""
    bilinear = how == Image.Resampling.BILINEAR
    if not isinstance(image, np.ndarray):
        if not bilinear:
            return image.resize(size[::-1], how, box=box)
        pixels = np.asarray(image)
        made = resample(pixels.reshape(*pixels.shape[:2], -1), size, box)
        return Image.fromarray(made.reshape(*size, *pixels.shape[2:]))
    if image.dtype == np.uint8 and bilinear:
        return resample(image, size, box)
    if image.dtype == np.uint8 and image.shape[2] == COLORS:
        return _by_pillow(image, size, box, how)
    return np.stack([_by_pillow(image[:, :, channel], size, box, how) for channel in range(image.shape[2])], axis=-1)


def _by_pillow(pixels: NDArray[Any], size: tuple[int, int], box: tuple[float, float, float, float], how: Image.Resampling) -> Any:
    """An array of three channels of bytes, in any order, or of one channel."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size[::-1], how, box=box))
