"""Files of weights that Caffe wrote, and what they hold."""

import numpy as np

from tests.paths import TESTS

FILES = TESTS / "goldens" / "files"
BINARY, HDF5 = FILES / "snap_iter_4.caffemodel", FILES / "snap_iter_4.caffemodel.h5"
SHAPES = {"conv1": [(4, 3, 3, 3), (4,)], "conv2": [(6, 2, 3, 3), (6,)], "fc": [(5, 150), (5,)]}


def same(a, b):
    """Whether two mappings from layers to arrays are equal."""
    assert a.keys() == b.keys()
    for name in a:
        assert len(a[name]) == len(b[name])
        for x, y in zip(a[name], b[name], strict=True):
            np.testing.assert_array_equal(x, y)
