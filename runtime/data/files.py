"""Samples from image files."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import numpy as np
from PIL import Image, ImageOps

from netdef.language.diagnostics import NetdefError
from runtime.data.color import color_shift
from runtime.data.draws import AUGMENT, SKIP, Draws, below
from runtime.data.listing import Listing
from runtime.data.settings import Resize, Settings
from runtime.data.source import Sample, UnreadableError

MODES = {3: "RGB", 1: "L"}
EPOCHS_KEPT = 2  # workers may be in two epochs at once


class FileSamples:
    """The images of a listing, in its order or shuffled anew each epoch.

    Parameters
    ----------
    draws: the layer's random numbers.

    Raises
    ------
    NetdefError: rand_skip skips the whole listing.
    """

    def __init__(self, listing: Listing, settings: Settings, draws: Draws):
        self.name, self.labels = listing.name, tuple(sorted(set(listing.labels)))
        self.classes, self.size = listing.classes, len(listing.paths)
        self.image_shape = settings.image_shape
        self._listing, self._settings, self._draws = listing, settings, draws
        self._bad: dict[int, str] = {}
        self._lock = Lock()
        self._order = lru_cache(EPOCHS_KEPT)(draws.permutation)
        if settings.rand_skip > self.size:
            raise NetdefError(f"{settings.name}: rand_skip is {settings.rand_skip}, {listing.name} has only {self.size} images")
        self._skip = below(draws.words(SKIP, 0)[0], max(1, settings.rand_skip))

    def load(self, position: int) -> Sample:
        """Decode and resize the image at a position.

        Raises
        ------
        UnreadableError: it is missing or damaged.
        NetdefError: no image of the listing can be read, or this one does not have the size that the net needs.
        """
        index = self.entry(position)
        path = self._listing.path(index)
        image = self._decode(index, path)
        offset, mirror = augment(self._settings, self._draws, position, image.size)
        if (image.height, image.width) != self._settings.image_size:
            image, offset = self._cropped(image, offset, path), (0, 0)
        shift = color_shift(self._settings.colors, self._draws, position)
        return Sample(image, self._listing.labels[index], offset, mirror, shift)

    def entry(self, position: int) -> int:
        """Which image of the listing stands at a position."""
        epoch, index = divmod(position + self._skip, self.size)
        if not self._settings.shuffle:
            return index
        with self._lock:
            return int(self._order(epoch, self.size)[index])

    def _decode(self, index: int, path: str) -> Image.Image:
        if index in self._bad:
            raise UnreadableError(path, self._bad[index])
        try:
            image = read_image(path, MODES[self._settings.channels])
        except UnreadableError as unreadable:
            self._bad[index] = unreadable.reason
            if len(self._bad) == self.size:
                raise NetdefError(
                    f"none of the {self.size} images of {self._listing.name} can be read",
                    hint=f"the last one tried: {path}: {unreadable.reason}",
                ) from None
            raise
        return resized(image, self._settings.resize) if self._settings.resize else image

    def _cropped(self, image: Image.Image, offset: tuple[int, int], path: str) -> Image.Image:
        """The crop of an image in a source whose images may differ in size."""
        crop, size = self._settings.crop, self._settings.image_size
        hint = "set new_height and new_width"
        if size != (crop, crop):
            wanted = f"{size[0]} x {size[1]} as the mean image is"
            raise NetdefError(f"{path} is {image.height} x {image.width}, not {wanted}", hint=hint)
        if min(image.size) < crop:
            raise NetdefError(f"{path} is {image.height} x {image.width}, smaller than crop_size {crop}", hint=hint)
        top, left = offset
        return image.crop((left, top, left + crop, top + crop))


def augment(settings: Settings, draws: Draws, position: int, size: tuple[int, int]) -> tuple[tuple[int, int], bool]:
    """Where the sample at a position is cropped (top, left) and whether it is mirrored, given its width and height.

    In training the crop is anywhere, in testing in the centre; mirroring is drawn in both, as in Caffe.
    """
    words = draws.words(AUGMENT, position)
    width, height = size
    spare = [max(0, side - settings.crop) if settings.crop else 0 for side in (height, width)]
    top, left = (below(w, s + 1) if settings.train else s // 2 for w, s in zip(words, spare, strict=False))
    return (top, left), settings.mirror and bool(words[2] & 1)


def read_image(path: str, mode: str) -> Image.Image:
    """A decoded image file, upright, in RGB or L.

    Raises
    ------
    UnreadableError: it is missing, damaged or no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return image if image.mode == mode else eight_bit(image).convert(mode)
    except FileNotFoundError:
        raise UnreadableError(path, "there is no such file") from None
    except Exception as error:  # Pillow's plugins raise all kinds of errors on damaged files
        raise UnreadableError(path, f"not a readable image ({str(error) or type(error).__name__})") from None


def eight_bit(image: Image.Image) -> Image.Image:
    """A gray image of 16 bits by its upper 8, as OpenCV reads it; Pillow itself makes all of them above 255 white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))


def resized(image: Image.Image, resize: Resize) -> Image.Image:
    """An image brought to a size.

    Bilinear over the area that a pixel of the result covers, so that making an image smaller does not alias; Caffe, which
    takes OpenCV's bilinear, samples four pixels whatever the ratio.
    """
    width, height = image.size
    if (height, width) == (resize.height, resize.width):
        return image
    box = (0.0, 0.0, float(width), float(height))
    if not resize.stretch:
        ratio = min(width / resize.width, height / resize.height)
        left, top = (width - ratio * resize.width) / 2, (height - ratio * resize.height) / 2
        box = (left, top, left + ratio * resize.width, top + ratio * resize.height)
    return image.resize((resize.width, resize.height), Image.Resampling.BILINEAR, box=box)
