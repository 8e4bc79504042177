"""Distributions of weights."""

import numpy as np

from runtime.pictures.distributions import RANGES, histogram


def test_ranges_and_moments():
    found = histogram(np.arange(RANGES * 2, dtype=np.float32), "weights")
    assert found["counts"] == [2] * RANGES and (found["low"], found["high"]) == ("0", "95")
    assert found["text"] == "weights 96: mean 47.5, standard deviation 27.7"


def test_what_is_not_finite_is_counted_apart():
    found = histogram(np.array([1, 2, np.nan, np.inf], np.float32), "biases")
    assert sum(found["counts"]) == 2 and found["text"].endswith(", 2 not finite")
    assert histogram(np.array([np.nan], np.float32), "biases")["text"] == "biases 1: none is finite"
