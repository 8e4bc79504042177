"""Distributions of weights."""

import numpy as np

from runtime.pictures.distributions import RANGES, histogram


def test_ranges_and_moments():
    found = histogram(np.arange(RANGES * 2, dtype=np.float32), "weights")
    assert found["counts"] == [2] * RANGES and (found["low"], found["high"]) == ("0", "95")
    assert found["text"] == "weights 96: mean 47.5, standard deviation 27.7"
