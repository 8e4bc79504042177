"""`builtin:photos`: ten classes of seeded random windows, each class from one photograph of the package.

A grid divides each photograph into 8 x 8 cells.  The cells marked T are for testing only, so that training and test windows never
share a pixel: a training window touches none of them, and a test window is inside one block of them.

    . . . . . . . .
    . . . . . . T T
    . . . . . . T T
    T T . . . . . .
    T T . . . . . .
    . . . . . T T .
    . T T . . T T .
    . T T . . . . .

The blocks are small and apart, so that training sees most of what is in them elsewhere in the photograph.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from zlib import crc32

from PIL import Image

from netdef.language.find import models_folder
from netdef.layers.data import PHOTOS
from runtime.data.classes import read_labels
from runtime.data.decoding import MODES, as_image
from runtime.data.draws import WINDOW, Draws, below, between
from runtime.data.files import FileSamples
from runtime.data.order import EPOCHS_KEPT
from runtime.data.settings import Settings
from runtime.data.source import Sample
from runtime.data.transform import to_sample

CELLS = 8
BLOCKS = ((1, 6), (3, 0), (5, 5), (6, 1))  # the top left cells of the blocks of T
BLOCK = 2  # cells along a block's side
SMALLEST = 1.25  # a window's side in cells, of the photograph's shorter side
LARGEST_TRAIN, LARGEST_TEST = 3.0, 2.0
GRID = 5  # windows along each side of a whole photograph, where one is looked at
TRIES = 16  # positions drawn for a window of one size before another size is drawn

TRAIN_WINDOWS = 100  # of each class in an epoch
TEST_WINDOWS = 50  # of each class in all: always the same ones

Window = tuple[int, int, int]  # top, left, side in pixels


class Photo:
    """One photograph and its grid."""

    def __init__(self, image: Image.Image):
        self.image = image
        self.rows = [image.height * i // CELLS for i in range(CELLS + 1)]  # the pixel at which each cell starts
        self.columns = [image.width * i // CELLS for i in range(CELLS + 1)]
        self.cell = min(image.size) / CELLS

    def train_window(self, draws: Draws, position: int) -> Window:
        """A window for training, anywhere outside the test cells."""
        attempt = 0
        while True:
            size, top, left, _ = draws.words(WINDOW, position, attempt)
            if attempt % TRIES == 0:
                side = self._side(size, LARGEST_TRAIN)
            window = below(top, self.image.height - side + 1), below(left, self.image.width - side + 1), side
            if not self._touches_test(window):
                return window
            attempt += 1

    def test_window(self, draws: Draws, position: int) -> Window:
        """A window for testing, in a block of test cells."""
        size, top, left, block = draws.words(WINDOW, position)
        row, column = BLOCKS[below(block, len(BLOCKS))]
        first_row, first_column = self.rows[row], self.columns[column]
        height, width = self.rows[row + BLOCK] - first_row, self.columns[column + BLOCK] - first_column
        side = min(self._side(size, LARGEST_TEST), height, width)
        return first_row + below(top, height - side + 1), first_column + below(left, width - side + 1), side

    def _side(self, word: int, largest: float) -> int:
        """A side in pixels, its logarithm uniform."""
        return int(self.cell * SMALLEST * (largest / SMALLEST) ** between(word, 0.0, 1.0))

    def _touches_test(self, window: Window) -> bool:
        top, left, side = window
        rows = bisect_right(self.rows, top) - 1, bisect_right(self.rows, top + side - 1) - 1
        columns = bisect_right(self.columns, left) - 1, bisect_right(self.columns, left + side - 1) - 1
        return any(
            rows[0] < row + BLOCK and rows[1] >= row and columns[0] < column + BLOCK and columns[1] >= column
            for row, column in BLOCKS
        )


class PhotoSamples:
    """Windows of the photographs, brought to the source's size.  The test phase has the same windows for every seed.

    Parameters
    ----------
    draws: the layer's random numbers.
    """

    def __init__(self, settings: Settings, draws: Draws):
        folder, names = models_folder() / "photos", photo_names()
        self.name, self.labels = PHOTOS, tuple(range(len(names)))
        self.classes: tuple[str, ...] | None = names
        self.image_shape = settings.image_shape
        self.size = len(names) * (TRAIN_WINDOWS if settings.train else TEST_WINDOWS)
        self._settings, self._draws = settings, draws
        self._test_draws = Draws(crc32(b"test windows"), "builtin:photos")
        self._photos = [read_photo(folder / f"{name}.jpg", MODES[settings.channels]) for name in names]
        self._order = lru_cache(EPOCHS_KEPT)(draws.permutation)
        self._lock = Lock()

    def load(self, position: int) -> Sample:
        """The window at a position."""
        label, (top, left, side) = self.window(position)
        # Cut first: a resize of a box within the photograph would look at pixels around the box.
        image = self._photos[label].image.crop((left, top, left + side, top + side))
        return to_sample(image, label, self._settings, self._draws, position, PHOTOS)

    def label(self, position: int) -> float:
        """The label of the window at a position, which is not cut."""
        return self.window(position)[0]

    def title(self, position: int) -> str:
        """Which window of which photograph is at a position."""
        label, (top, left, side) = self.window(position)
        return f"{photo_names()[label]}.jpg, {side} x {side} pixels at row {top}, column {left}"

    def window(self, position: int) -> tuple[int, Window]:
        """The class at a position and the window of its photograph."""
        epoch, index = divmod(position, self.size)
        if not self._settings.train:
            label = index % len(self._photos)
            return label, self._photos[label].test_window(self._test_draws, index)
        with self._lock:
            label = int(self._order(epoch, self.size)[index]) % len(self._photos)
        return label, self._photos[label].train_window(self._draws, position)


class WindowsOfFiles(FileSamples):
    """Windows of whole photographs at even distances, GRID x GRID of each, as large as the largest that PhotoSamples tests.

    A net that was trained on windows has not seen whole photographs, whose details are a quarter of the size.
    """

    def load(self, position: int) -> Sample:
        """The window at a position; raises as FileSamples does."""
        picture, label, name = self._read(position)
        image = as_image(picture)
        side = max(1, int(min(image.size) / CELLS * LARGEST_TEST))
        row, column = divmod(self.number(position), GRID)
        top, left = ((length - side) * index // (GRID - 1) for length, index in ((image.height, row), (image.width, column)))
        return to_sample(image.crop((left, top, left + side, top + side)), label, self._settings, self._draws, position, name)

    @staticmethod
    def number(position: int) -> int:
        """Which window of its photograph is at a position."""
        return position % GRID**2


class MiddleWindows(WindowsOfFiles):
    """Of each photograph the window in its middle."""

    @staticmethod
    def number(position: int) -> int:
        return GRID**2 // 2


def photo_names() -> tuple[str, ...]:
    """The photographs' names, which are those of their classes, in the order of the labels."""
    return read_labels(models_folder() / "photos" / "labels.txt")


def read_photo(path: Path, mode: str) -> Photo:
    """A photograph, decoded once for the whole process: the sources of both phases share its pixels."""
    return Photo(_decoded(path, mode))


@cache
def _decoded(path: Path, mode: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert(mode)
