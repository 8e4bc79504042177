"""Rows of a ring: which one a run's numbers go to, and that the others stay."""

import numpy as np
import pytest

from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.kernels.rooms import load_rooms


def remember(x: np.ndarray, turn: int, ring: np.ndarray) -> None:
    load_rooms("cpu")
    kernel = CPU_KERNELS["remember"]
    arguments = x.astype(np.float32), np.array([turn]), ring
    kernel.function(0, kernel.items(*arguments), *arguments)


def test_runs_take_the_rows_in_turn() -> None:
    ring = np.zeros((3, 2))
    for turn in range(5):
        remember(np.array([turn, -turn]), turn, ring)
    assert ring.tolist() == [[3, -3], [4, -4], [2, -2]]


@pytest.mark.parametrize("columns", [1, 4])
def test_large_blobs_are_summed_in_double(columns: int) -> None:
    x, ring = np.float32([2**24, 1, 1, 1] * 1000), np.full((1, columns), np.nan)
    remember(x, 7, ring)
    np.testing.assert_array_equal(ring[0], x.reshape(columns, -1).sum(1, dtype=np.float64))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_none(bad: float) -> None:
    ring = np.zeros((1, 1))
    remember(np.array([1, bad, 2]), 0, ring)
    np.testing.assert_array_equal(ring, [[bad]])
