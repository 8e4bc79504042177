"""Several views of each test image: the ten crops of Krizhevsky et al. (2012), and the 144 of Szegedy et al. (2015, GoogLeNet).

Ten: the four corners and the centre of the resized image, each mirrored too.  144: the image's shorter side brought to 256, 288,
320 and 352 pixels; of each the squares at both ends and in the middle; of each square the four corners, the centre, and the whole
square scaled down to the crop; each mirrored too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image

from netdef.language.diagnostics import NetdefError
from runtime.data.settings import Settings
from runtime.data.source import Sample, Samples

TEN, GOOGLENET = 10, 144
COUNTS = (TEN, GOOGLENET)
SCALES = (256, 288, 320, 352)  # pixels of the shorter side
SQUARES = 3  # of each scale
REGIONS = 6  # of each square
KEPT = 64  # samples whose views may still be asked for

Box = tuple[int, int]  # top, left
Loaded = TypeVar("Loaded")


class Pictures(Protocol):
    """Samples that can give an image as it is in its file."""

    def picture(self, position: int) -> tuple[Image.Image, float]:
        """The decoded image at a position, and its label."""


class Views:
    """Samples whose positions are those of other samples, each `count` times: its views, one after the other."""

    def __init__(self, samples: Samples, settings: Settings, count: int):
        self.whole = samples
        self.name, self.labels, self.classes = samples.name, samples.labels, samples.classes
        self.image_shape, self.size, self.count = samples.image_shape, samples.size * count, count
        self._settings = settings
        self.close = getattr(samples, "close", lambda: None)  # of a database

    def load(self, position: int) -> Sample:
        """The view at a position."""
        raise NotImplementedError


class TenCrops(Views):
    """The ten crops of each image: as offsets in it, or cut out where a batch has no room for more.

    Raises
    ------
    NetdefError: the images are not larger than the crop.
    """

    def __init__(self, samples: Samples, settings: Settings, in_batch: Box | None = None):
        super().__init__(samples, settings, TEN)
        height, width = settings.image_size
        if settings.crop is None or settings.crop[0] >= height or settings.crop[1] >= width:
            crop = "no crop" if settings.crop is None else f"a crop of {settings.crop[0]} x {settings.crop[1]}"
            text = f"{settings.name} has nothing to crop: images of {height} x {width}, {crop}"
            raise NetdefError(text, hint="set new_height: 256 and transform_param { crop_size: 227 }, say")
        self._offsets = [*corners(settings.image_size, settings.crop), centre(settings.image_size, settings.crop)]
        self._load = _once(samples.load)
        self._cut = settings.crop if in_batch == settings.crop else None
        if self._cut is not None:
            self.image_shape = (*self._cut, *samples.image_shape[2:])

    def load(self, position: int) -> Sample:
        index, view = divmod(position, self.count)
        mirror, number = divmod(view, len(self._offsets))
        sample, (top, left) = self._load(index), self._offsets[number]
        if self._cut is None:
            return replace(sample, offset=(top, left), mirror=bool(mirror))
        bottom, right = top + self._cut[0], left + self._cut[1]
        image = sample.image
        cut = image[top:bottom, left:right] if isinstance(image, np.ndarray) else image.crop((left, top, right, bottom))
        return replace(sample, image=cut, offset=(0, 0), mirror=bool(mirror))


class GoogLeNetCrops(Views):
    """The 144 crops of each image.

    Raises
    ------
    NetdefError: the samples are not of image files, there is no crop, or the mean is an image.
    """

    def __init__(self, samples: Samples, settings: Settings, mean_is_image: bool):
        super().__init__(samples, settings, GOOGLENET)
        if not hasattr(samples, "picture"):
            raise NetdefError(f"{samples.name} has no image files: 144 crops are cut from whole ones", hint="--crops 10 takes any")
        crop = settings.crop or (0, 0)
        if not 0 < crop[0] == crop[1] <= SCALES[0]:
            text = f"crop_size {crop[0]}" if crop[0] == crop[1] else f"a crop of {crop[0]} x {crop[1]}"
            raise NetdefError(f"{settings.name} has {text}: 144 crops need squares of {SCALES[0]} at most")
        self._crop = crop[0]
        if mean_is_image:
            raise NetdefError(f"{settings.name} subtracts a mean image: crops of other sizes have none", hint="use mean_value")
        self._picture = _once(samples.picture)
        self._square = lru_cache(SQUARES * len(SCALES) * 4)(self._cut)

    def load(self, position: int) -> Sample:
        index, view = divmod(position, self.count)
        view, mirror = divmod(view, 2)
        square, region = divmod(view, REGIONS)
        scale, place = divmod(square, SQUARES)
        crop = self._crop
        image = self._square(index, scale, place)
        if region == REGIONS - 1:
            image = image.resize((crop, crop), Image.Resampling.BILINEAR)
        else:
            side = SCALES[scale]
            top, left = [*corners((side, side), (crop, crop)), centre((side, side), (crop, crop))][region]
            image = image.crop((left, top, left + crop, top + crop))
        return Sample(self._on_canvas(image), self._picture(index)[1], (0, 0), bool(mirror))

    def _cut(self, index: int, scale: int, place: int) -> Image.Image:
        """A square at one end (0, 2) or in the middle of the image at a scale."""
        image, side = self._picture(index)[0], SCALES[scale]
        ratio = side / min(image.size)
        width, height = (max(side, round(extent * ratio)) for extent in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = ((extent - side) * place // 2 for extent in (width, height))
        return image.crop((left, top, left + side, top + side))

    def _on_canvas(self, image: Image.Image) -> Image.Image:
        """A crop in the top left corner of an image of the source's size."""
        height, width = self._settings.image_size
        if image.size == (width, height):
            return image
        canvas = Image.new(image.mode, (width, height))
        canvas.paste(image)
        return canvas


def views_of(samples: Samples, settings: Settings, count: int, mean_is_image: bool, in_batch: Box | None = None) -> Samples:
    """So many views of each sample; 1 is the samples.

    Parameters
    ----------
    in_batch: height and width of the images in a batch, where those are not the settings'.

    Raises
    ------
    NetdefError: there are none of that number, or these samples have none.
    """
    if count == 1:
        return samples
    if count == TEN:
        return TenCrops(samples, settings, in_batch)
    if count == GOOGLENET:
        return GoogLeNetCrops(samples, settings, mean_is_image)
    raise NetdefError(f"there are no {count} crops", hint=f"crops: 1, {', '.join(map(str, COUNTS))}")


def corners(size: Sequence[int], crop: Box) -> list[Box]:
    """Top left, top right, bottom left, bottom right."""
    bottom, right = (extent - own for extent, own in zip(size, crop, strict=True))
    return [(0, 0), (0, right), (bottom, 0), (bottom, right)]


def centre(size: Sequence[int], crop: Box) -> Box:
    top, left = ((extent - own) // 2 for extent, own in zip(size, crop, strict=True))
    return top, left


def _once(load: Callable[[int], Loaded]) -> Callable[[int], Loaded]:
    """Calls a function once for each of the last arguments, whichever threads ask: the others wait for the first."""
    kept: OrderedDict[int, tuple[Lock, list[Loaded]]] = OrderedDict()
    lock = Lock()

    def call(index: int) -> Loaded:
        with lock:
            own, found = kept.setdefault(index, (Lock(), []))
            if len(kept) > KEPT:
                kept.popitem(last=False)
        with own:
            if not found:
                found.append(load(index))
            return found[0]

    return call
