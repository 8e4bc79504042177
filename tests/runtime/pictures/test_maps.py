"""Feature maps: one scale for all, large ones smaller, vectors as squares."""

import numpy as np
import pytest

from runtime.pictures.maps import draw_maps


def test_one_scale_for_all_maps():
    drawn = draw_maps(np.array([[[0, 1]], [[2, 4]]], np.float32))
    pixels = np.asarray(drawn.mosaic.image)[..., 0]
    assert (drawn.least, drawn.most, drawn.zeros) == (0, 4, 0.25)
    assert [*pixels[0, [0, 1, 3, 4]]] == [0, 64, 128, 255]


@pytest.mark.parametrize(("shape", "size", "count"), [((2, 200, 100), (32, 64), 2), ((5,), (1, 1), 5), ((2, 3, 4, 5), (20, 3), 2)])
def test_shapes(shape, size, count):
    drawn = draw_maps(np.ones(shape, np.float32))
    assert (drawn.mosaic.size, drawn.mosaic.count) == (size, count)
    assert (drawn.least, drawn.most) == (1, 1)


def test_as_large_as_they_are():
    assert draw_maps(np.ones((2, 200, 100), np.float32), 1, None).mosaic.size == (100, 200)
