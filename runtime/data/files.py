"""Samples from image files."""

from __future__ import annotations

from typing import Any

from PIL import Image

from runtime.data.decoding import MODES, as_image, read_image
from runtime.data.draws import Draws
from runtime.data.listing import Listing
from runtime.data.order import Order
from runtime.data.settings import Settings
from runtime.data.skipping import Skipped
from runtime.data.source import Picture, Sample, UnreadableError
from runtime.data.texts import printable
from runtime.data.transform import to_sample


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
        self.name = listing.name
        self.labels = tuple(sorted(set(listing.labels))) if listing.targets is None else ()
        self.classes, self.size = listing.classes, len(listing.paths)
        self.image_shape = settings.image_shape
        self._listing, self._settings, self._draws = listing, settings, draws
        self._order = Order(self.size, settings, draws, listing.name)
        self._skipped = Skipped(listing.name, self.size)

    def load(self, position: int) -> Sample:
        """Decode and transform the image at a position.

        Raises
        ------
        UnreadableError: it is missing or damaged.
        NetdefError: too many images of the listing cannot be read, or this one does not have the size that the net needs.
        """
        image, label, name = self._read(position)
        return to_sample(image, label, self._settings, self._draws, position, name)

    def picture(self, position: int) -> tuple[Image.Image, float]:
        """The decoded image at a position as its file has it, and its label; raises as `load`."""
        image, label, _ = self._read(position)
        return as_image(image), label

    def title(self, position: int) -> str:
        """The path of the image at a position."""
        return printable(self._listing.path(self.entry(position)))

    def _read(self, position: int) -> tuple[Picture, float, str]:
        """The decoded image at a position, its label and its name."""
        index = self.entry(position)
        self._skipped.check(index)
        path = self._listing.path(index)
        try:
            image = read_image(path, MODES[self._settings.channels], self._settings.decoded_at_least)
        except UnreadableError as unreadable:
            self._skipped.add(index, unreadable)
            raise
        return image, self.label(position), printable(path)

    def label(self, position: int) -> Any:
        """The label of the image at a position, or its labels."""
        index, targets = self.entry(position), self._listing.targets
        return self._listing.labels[index] if targets is None else targets[index]

    def entry(self, position: int) -> int:
        """The index in the listing of the image at a position."""
        return self._order.entry(position)
