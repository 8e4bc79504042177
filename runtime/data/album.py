"""The images of a data layer one by one, outside any pass: what each is called, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from netdef.layers.data import HDF5Data
from runtime.data import open_source
from runtime.data.decoding import as_image
from runtime.data.prefetch import Prefetcher
from runtime.data.source import UnreadableError

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from runtime.data.source import Samples


@dataclass(frozen=True)
class Rows:
    """Stands for the samples of a source that has rows of arrays, and no pictures of them."""

    name: str
    classes: Sequence[str] | None = None

    @staticmethod
    def title(index: int) -> str:
        """What a row is called: by its number in the stream."""
        return f"row {index}"


@dataclass(frozen=True)
class Album:
    """The images of a source in the order of its stream.

    Attributes
    ----------
    classes: a name for each label, or None.
    """

    samples: Samples | Rows
    close: Callable[[], None]  # of the source that they are of

    @property
    def classes(self) -> Sequence[str] | None:
        return self.samples.classes

    def title(self, index: int) -> str:
        """What the image at an index is called: its path, or its record."""
        known = getattr(self.samples, "title", None)
        return known(index) if known is not None else f"image {index}"

    def picture(self, index: int) -> Image.Image | None:
        """The image at an index as its source has brought it to its size, before cropping; None where it is none, or unreadable."""
        if isinstance(self.samples, Rows):
            return None
        try:
            image = self.samples.load(index).image
        except UnreadableError:
            return None
        if isinstance(image, np.ndarray):
            pixels = np.rint(image).clip(0, 255).astype(np.uint8)
            return as_image(pixels if pixels.shape[2] in (1, 3) else pixels[:, :, :1])
        return image

    def __enter__(self) -> Album:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_album(layer: Layer, seed: int, hold_out: int = 0, classes: Sequence[str] | None = None) -> Album:
    """The images, or the rows, of a data layer that gives them with a label each.  Parameters and errors as of `open_source`."""
    if isinstance(layer, HDF5Data):
        return Album(Rows(layer.source), lambda: None)
    source = open_source(layer, seed, workers=1, hold_out=hold_out, classes=classes)
    assert isinstance(source, Prefetcher)
    return Album(source.samples, source.close)
