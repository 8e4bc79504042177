"""`builtin:digits`: handwritten digits of the package, 28 x 28, gray.

The originals are 8 x 8 (models/digits/ORIGINS.md). They are enlarged to 20 x 20 and put in the middle of 28 x 28, as MNIST
has its digits. The last 30 of each class are for testing only.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

from PIL import Image

from netdef.language.find import models_folder
from netdef.layers.data import DIGITS
from runtime.data.classes import read_labels
from runtime.data.decoding import MODES
from runtime.data.draws import Draws
from runtime.data.order import EPOCHS_KEPT
from runtime.data.settings import Settings
from runtime.data.source import Sample
from runtime.data.transform import to_sample

STORED = 8  # pixels a side
ENLARGED, SIDE = 20, 28
TEST_DIGITS = 30  # of each class


class DigitSamples:
    """The digits, shuffled anew each epoch in training; in testing the classes in turn.

    Parameters
    ----------
    draws: the layer's random numbers.
    """

    def __init__(self, settings: Settings, draws: Draws):
        names = digit_names()
        self.name, self.labels = DIGITS, tuple(range(len(names)))
        self.classes: tuple[str, ...] | None = names
        self.image_shape = settings.image_shape
        self._settings, self._draws = settings, draws
        self._digits = _of_phase([read_digits(name) for name in names], settings.train)
        self.size = len(self._digits)
        self._order = lru_cache(EPOCHS_KEPT)(draws.permutation)
        self._lock = Lock()

    def load(self, position: int) -> Sample:
        """The digit at a position."""
        image, label = self._digits[self._index(position)]
        image = image.convert(MODES[self._settings.channels])
        return to_sample(image, label, self._settings, self._draws, position, DIGITS)

    def label(self, position: int) -> float:
        """The label of the digit at a position."""
        return self._digits[self._index(position)][1]

    def title(self, position: int) -> str:
        """Which digit is at a position."""
        index = self._index(position)
        return f"digit {index} of {DIGITS}"

    def _index(self, position: int) -> int:
        epoch, index = divmod(position, self.size)
        if not self._settings.train:
            return index
        with self._lock:
            return int(self._order(epoch, self.size)[index])


def digit_names() -> tuple[str, ...]:
    """The names of the classes, in the order of the labels."""
    return read_labels(models_folder() / "digits" / "labels.txt")


def read_digits(name: str) -> list[Image.Image]:
    """All digits of a class, 28 x 28."""
    with Image.open(models_folder() / "digits" / f"{name}.png") as column:
        return [_placed(column.crop((0, top, STORED, top + STORED))) for top in range(0, column.height, STORED)]


def _placed(digit: Image.Image) -> Image.Image:
    """A stored digit, enlarged, in the middle of a black image."""
    margin = (SIDE - ENLARGED) // 2
    image = Image.new("L", (SIDE, SIDE))
    image.paste(digit.resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC), (margin, margin))
    return image


def _of_phase(classes: list[list[Image.Image]], train: bool) -> list[tuple[Image.Image, int]]:
    """The digits of a phase with their labels, in turn from each class."""
    kept = [digits[:-TEST_DIGITS] if train else digits[-TEST_DIGITS:] for digits in classes]
    rows = range(max(map(len, kept)))
    return [(digits[row], label) for row in rows for label, digits in enumerate(kept) if row < len(digits)]
