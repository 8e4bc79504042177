"""Our bilinear resize against Pillow's: equal bits."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runtime.data.resampling import resample


def pillows(image, size, box):
    """Rows first, as all versions of Pillow do it if they are asked for one side after the other."""
    (height, width), (left, top, right, bottom) = size, box
    across = Image.fromarray(image).resize((width, len(image)), Image.Resampling.BILINEAR, box=(left, 0, right, len(image)))
    return np.asarray(across.resize((width, height), Image.Resampling.BILINEAR, box=(0, top, width, bottom)))


def image_of(height, width, seed=0):
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("sides", "size", "box"),
    [
        ((375, 500), (256, 256), (62.5, 0.0, 437.5, 375.0)),
        ((375, 500), (256, 256), (0.0, 0.0, 500.0, 375.0)),
        ((40, 30), (90, 77), (0.0, 0.0, 30.0, 40.0)),
        ((40, 30), (40, 30), (0.0, 0.0, 30.0, 40.0)),
        ((64, 64), (1, 1), (0.0, 0.0, 64.0, 64.0)),
        ((1, 1), (5, 7), (0.0, 0.0, 1.0, 1.0)),
        ((3, 2), (3, 200), (0.5, 0.25, 1.0, 3.0)),
        ((1000, 7), (3, 7), (0.0, 0.0, 7.0, 1000.0)),
    ],
)
def test_pillows_bits(sides, size, box):
    image = image_of(*sides)
    np.testing.assert_array_equal(resample(image, size, box), pillows(image, size, box))


def test_pillows_bits_of_any_sizes_and_boxes():
    random = np.random.default_rng(1)
    for seed in range(60):
        height, width, *size = (int(side) for side in random.integers(1, 90, 4))
        left, top = random.uniform(0, 0.5, 2) * (width, height)
        right, bottom = np.minimum((width, height), (left, top) + random.uniform(0.1, 1, 2) * (width - left, height - top))
        image, box = image_of(height, width, seed), (float(left), float(top), float(right), float(bottom))
        wanted = pillows(image, tuple(size), box)
        np.testing.assert_array_equal(resample(image, tuple(size), box), wanted)
        np.testing.assert_array_equal(resample(image[:, :, :1], tuple(size), box), wanted[:, :, :1])


def test_a_view_of_another_array_is_resized():
    image = image_of(50, 60)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    box = (0.0, 0.0, 60.0, 50.0)
    np.testing.assert_array_equal(resample(planes, (20, 20), box), pillows(image, (20, 20), box))


def test_white_stays_white():
    white = np.full((301, 407, 3), 255, np.uint8)
    assert (resample(white, (97, 101), (0.0, 0.0, 407.0, 301.0)) == 255).all()
