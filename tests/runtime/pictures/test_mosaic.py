"""Tiles stand in their rows, towers apart."""

import numpy as np
import pytest

from runtime.pictures.mosaic import columns_for, mosaic


def test_tiles_of_two_towers():
    tiles = np.arange(1, 13, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    drawn = mosaic(tiles, towers=2, columns=3)
    assert drawn.image.size == (3 * 4 - 1, 2 * 2 * 3 - 1 + drawn.between)
    pixels = np.asarray(drawn.image)
    first_of_second_tower = pixels[2 * 3 + drawn.between, 0]
    assert [*first_of_second_tower] == [7, 7, 7, 255]
    assert [*pixels[0, 4]] == [2, 2, 2, 255] and [*pixels[3, 8]] == [6, 6, 6, 255]
    assert pixels[0, 3, 3] == 0 and (pixels[6 : 6 + drawn.between - 1, :, 3] == 0).all()  # between them it is transparent


def test_slides_have_white_between_the_tiles():
    sheet = mosaic(np.zeros((2, 1, 1), np.uint8), columns=2).enlarged(5)
    assert sheet.size == (15, 5)
    assert [sheet.getpixel((x, 2)) for x in (4, 5, 10)] == [(0, 0, 0), (255, 255, 255), (0, 0, 0)]


@pytest.mark.parametrize(
    ("count", "towers", "columns"), [(96, 2, 16), (96, 1, 16), (20, 1, 5), (1, 1, 1), (7, 1, 4), (2, 2, 1), (4096, 1, 128)]
)
def test_rows_are_full_where_they_can_be(count, towers, columns):
    assert columns_for(count, towers) == columns
