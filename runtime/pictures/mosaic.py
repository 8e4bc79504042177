"""Many small pictures in one, in rows, the towers of a blob apart."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GAP = 1  # pixels between tiles
BETWEEN_TOWERS = 4
OPAQUE = 255


@dataclass(frozen=True)
class Mosaic:
    """Tiles in one RGBA image, transparent between them.

    Attributes
    ----------
    count: tiles, in `towers` equal runs, one below the other as in figure 3 of Krizhevsky et al. (2012).
    columns: tiles in a row.  size: of a tile, (width, height).  gap, between: pixels between tiles, and more between towers.
    """

    image: Image.Image
    count: int
    towers: int
    columns: int
    size: tuple[int, int]
    gap: int
    between: int

    def enlarged(self, factor: int) -> Image.Image:
        """For slides: every pixel `factor` pixels wide, white between the tiles."""
        large = self.image.resize((self.image.width * factor, self.image.height * factor), Image.Resampling.NEAREST)
        sheet = Image.new("RGB", large.size, "white")
        sheet.paste(large, mask=large)
        return sheet

    def factor_for(self, width: int) -> int:
        """By how much the image is enlarged to be about that wide."""
        return max(1, round(width / self.image.width))


def mosaic(tiles: NDArray[np.uint8], towers: int = 1, columns: int | None = None, gap: int = GAP) -> Mosaic:
    """The tiles as one image.

    Parameters
    ----------
    tiles: (N, H, W) gray, or (N, H, W, 3) red first.
    columns: tiles in a row; default: as `columns_for` says.
    """
    if tiles.ndim == 3:
        tiles = np.repeat(tiles[..., None], 3, axis=3)
    count, height, width, _ = tiles.shape
    own = count // towers
    columns = columns or columns_for(count, towers)
    rows = ceil(own / columns)
    high, wide = height + gap, width + gap
    between = BETWEEN_TOWERS if gap else 0
    canvas = np.zeros((towers * rows * high - gap + (towers - 1) * between, columns * wide - gap, 4), np.uint8)
    for index, tile in enumerate(tiles):
        tower, inside = divmod(index, own)
        row, column = divmod(inside, columns)
        top = (tower * rows + row) * high + tower * between
        region = canvas[top : top + height, column * wide : column * wide + width]
        region[..., :3], region[..., 3] = tile, OPAQUE
    return Mosaic(Image.fromarray(canvas), count, towers, columns, (width, height), gap, between)


def columns_for(count: int, towers: int = 1) -> int:
    """How many tiles stand in a row: wider than high, and rows are full where the number allows it."""
    least, most = sqrt(count), 2 * sqrt(count)
    full = [columns for columns in range(ceil(least), int(most) + 1) if count // towers % columns == 0]
    return full[-1] if full else max(1, min(ceil(sqrt(1.5 * count)), count // towers))
