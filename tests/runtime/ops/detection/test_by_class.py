"""What regions show, by class."""

import numpy as np

from runtime.ops.detection.by_class import by_class

REGIONS = np.array([[0, 0, 9, 9], [1, 0, 10, 9], [40, 40, 59, 49]], np.float32)


def test_of_each_class_those_that_overlap_no_better_one():
    scores = np.array([[0.1, 0.6, 0.3], [0.05, 0.7, 0.25], [0.2, 0.2, 0.6]], np.float32)
    found = by_class(REGIONS, np.zeros((3, 12), np.float32), scores, (50, 100), 0.25)
    wanted = [[1, 0.7, 1, 0, 11, 10], [2, 0.6, 40, 40, 49, 50], [2, 0.3, 0, 0, 10, 10]]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)  # the third region ends at the image's border


def test_boxes_of_each_class_and_of_all():
    each = np.zeros((1, 12), np.float32)
    each[0, 4:] = [0.1, 0, 0, np.log(2), 0, 0.2, 0, 0]
    scores = np.array([[0, 0.6, 0.4]], np.float32)
    found = by_class(REGIONS[:1], each, scores, (90, 90), 0.0)
    np.testing.assert_allclose(found[:, 2:], [[1, 0, 11, 15], [0, 2, 10, 12]], atol=1e-5)
    found = by_class(REGIONS[:1], each[:, :8], scores, (90, 90), 0.0)
    np.testing.assert_allclose(found[:, 2:], [[1, 0, 11, 15]] * 2, atol=1e-5)


def test_nothing_and_boxes_beyond_all_bounds():
    none = by_class(REGIONS[:0], np.zeros((0, 8), np.float32), np.zeros((0, 2), np.float32), (9, 9), 0.0)
    assert none.shape == (0, 6)
    huge = np.array([[0, 0, 0, 0, 0, 0, 200, 200]], np.float32)
    found = by_class(REGIONS[:1], huge, np.array([[0, 1]], np.float32), (9, 7), 0.5)
    assert found.tolist() == [[1, 1, 0, 0, 8, 6]]
