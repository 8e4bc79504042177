"""Samples from image files."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import numpy as np
from PIL import Image, ImageOps

from netdef.language.diagnostics import NetdefError
from runtime.data.draws import SKIP, Draws, below
from runtime.data.listing import Listing
from runtime.data.settings import Settings
from runtime.data.source import Sample, UnreadableError
from runtime.data.texts import printable
from runtime.data.transform import to_sample

MODES = {3: "RGB", 1: "L"}
EPOCHS_KEPT = 2  # workers may be in two epochs at once


class FileSamples:
    """The images of a listing, in its order, or shuffled in each epoch.

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
        """Decode and transform the image at a position.

        Raises
        ------
        UnreadableError: it is missing or damaged.
        NetdefError: no image of the listing can be read, or this one does not have the size that the net needs.
        """
        index = self.entry(position)
        path = self._listing.path(index)
        image, label = self._decode(index, path), self._listing.labels[index]
        return to_sample(image, label, self._settings, self._draws, position, printable(path))

    def picture(self, position: int) -> tuple[Image.Image, float]:
        """The decoded image at a position as its file has it, and its label; raises as `load`."""
        index = self.entry(position)
        return self._decode(index, self._listing.path(index)), self._listing.labels[index]

    def entry(self, position: int) -> int:
        """The index in the listing of the image at a position."""
        epoch, index = divmod(position + self._skip, self.size)
        if not self._settings.shuffle:
            return index
        with self._lock:
            return int(self._order(epoch, self.size)[index])

    def _decode(self, index: int, path: str) -> Image.Image:
        if index in self._bad:
            raise UnreadableError(printable(path), self._bad[index])
        try:
            return read_image(path, MODES[self._settings.channels])
        except UnreadableError as unreadable:
            self._bad[index] = unreadable.reason
            if len(self._bad) == self.size:
                raise NetdefError(
                    f"none of the {self.size} images of {self._listing.name} can be read",
                    hint=f"the last one tried: {printable(path)}: {unreadable.reason}",
                ) from None
            raise


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
        raise UnreadableError(printable(path), "there is no such file") from None
    except Exception as error:  # Pillow's plugins raise all kinds of errors on damaged files
        raise UnreadableError(printable(path), f"not a readable image ({str(error) or type(error).__name__})") from None


def eight_bit(image: Image.Image) -> Image.Image:
    """A gray image of 16 bits by its upper 8, as OpenCV reads it; Pillow itself makes all of them above 255 white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
