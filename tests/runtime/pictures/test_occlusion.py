"""Covering an image finds what its class depends on."""

import numpy as np
import pytest
from PIL import Image

from runtime.pictures.occlusion import occlude, overlay, starts


def test_the_region_that_counts_is_found():
    image = np.zeros((3, 20, 30), np.float32)
    image[:, 12:16, 20:24] = 5

    def scores(images):
        assert images.shape == (4, 3, 20, 30)
        return images[:, 0, 12:16, 20:24].mean(axis=(1, 2)).astype(np.float64) / 5

    found = occlude(image, scores, batch=4, positions=14)
    assert (found.side, found.whole) == (4, 1)
    assert found.least < 0.1 and found.most == pytest.approx(1)
    top, left = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert 12 <= top < 16 and 20 <= left < 24
    assert found.heat[:8].max() == pytest.approx(0) and not np.isnan(found.heat).any()


def test_few_positions_leave_pixels_uncovered_which_have_no_heat():
    found = occlude(np.ones((1, 10, 10), np.float32), lambda images: np.full(len(images), 0.25), batch=1, positions=1)
    assert (found.heat == 0).all() and found.whole == found.least == 0.25


@pytest.mark.parametrize(("last", "positions", "expected"), [(0, 14, [0]), (3, 14, [0, 1, 2, 3]), (10, 3, [0, 5, 10])])
def test_no_position_comes_twice(last, positions, expected):
    assert starts(last, positions) == expected


def test_red_where_covering_lowers_and_blue_where_it_raises():
    heat = np.array([[1.0, 0.0, -1.0]])
    red, gray, blue = np.asarray(overlay(Image.new("RGB", (3, 1), "gray"), heat))[0].astype(int)
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50 and gray[0] == gray[1] == gray[2]
