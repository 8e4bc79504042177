"""The error of gradients sent in 16 bits."""

from __future__ import annotations

import numpy as np

from runtime.machine.ranks.rounding import Rounding, relative_error

RANDOM = np.random.default_rng(3).standard_normal(10_000).astype(np.float32)


def test_the_error_is_measured_until_it_is_asked_for() -> None:
    rounding = Rounding("bf16")
    rounding.rounded(RANDOM)
    sums = rounding.measured()
    assert rounding.sent == RANDOM.size
    assert 0.001 < relative_error([sums, (0.0, 0.0)]) < 0.003
    rounding.rounded(RANDOM)
    assert (rounding.measured(), rounding.sent) == (sums, RANDOM.size)
    assert relative_error([(0.0, 0.0)]) == 0


def test_sums_of_cards_are_added() -> None:
    rounding = Rounding("fp16")
    rounding.also(lambda: (1.0, 16.0))
    rounding.also(lambda: (3.0, 84.0))
    assert relative_error([rounding.measured()]) == 0.2
    assert rounding.measured() == (4.0, 100.0)  # asked once
