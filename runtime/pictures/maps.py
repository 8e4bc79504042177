"""The values that a blob has for an image, as pictures: a map for each channel."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runtime.pictures.mosaic import Mosaic, mosaic

LARGEST = 64  # pixels of a map's side on a page; larger ones are drawn smaller
WHITE = 255


@dataclass(frozen=True)
class Maps:
    """A picture of a blob of one image.

    Attributes
    ----------
    mosaic: black is `least`, white is `most`, for all maps alike.
    zeros: the share of values that are 0.
    """

    mosaic: Mosaic
    least: float
    most: float
    zeros: float


def draw_maps(values: NDArray[np.float32], towers: int = 1, largest: int | None = LARGEST) -> Maps:
    """The maps of a blob.

    Parameters
    ----------
    values: (C, H, W), or fewer axes; those of one image, finite.
    largest: pixels of a map's side; None: as large as it is.
    """
    least, most = float(values.min()), float(values.max())
    rows, columns = (values.shape[1], prod(values.shape[2:])) if values.ndim > 2 else (1, 1)
    maps = values.reshape(-1, rows, columns)
    gray = np.rint((maps - least) * (WHITE / ((most - least) or 1))).astype(np.uint8)
    tiles = gray if largest is None else np.stack([smaller(one, largest) for one in gray])
    single = tiles.shape[1:] == (1, 1)
    return Maps(mosaic(tiles, towers, gap=0 if single else 1), least, most, float((values == 0).mean()))


def smaller(tile: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    """A tile whose longer side is that at most."""
    side = max(tile.shape)
    if side <= largest:
        return tile
    height, width = (max(1, round(extent * largest / side)) for extent in tile.shape)
    return np.asarray(Image.fromarray(tile).resize((width, height), Image.Resampling.BOX))
