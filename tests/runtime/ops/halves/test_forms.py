"""Numbers in 16 bits."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.ops.halves.forms import FORMS, NAN, narrow_bf16, widen_bf16

RANDOM = np.random.default_rng(3).standard_normal(10_000).astype(np.float32)


@pytest.mark.parametrize(("form", "bits"), [("bf16", 8), ("fp16", 11)])
def test_each_number_is_the_nearest(form: str, bits: int) -> None:
    narrow, widen = FORMS[form]
    values = RANDOM[np.abs(RANDOM) > 1e-3]
    error = np.abs(widen(narrow(values)).astype(np.float64) - values)
    assert (error <= 2.0**-bits * 2.0 ** np.floor(np.log2(np.abs(values.astype(np.float64))))).all()
    assert error.max() > 0
    exact = np.array([0, -0.0, 1, -2, 0.5, np.inf, -np.inf], np.float32)
    assert np.array_equal(widen(narrow(exact)), exact)
    nothing = narrow(np.array([np.nan], np.float32))
    assert nothing == [NAN] and np.isnan(widen(nothing)).all()


def test_halfway_goes_to_the_even_one() -> None:
    ulp = 2.0**-7
    values = np.array([1 + ulp / 2, 1 + 3 * ulp / 2, 1 + ulp / 2 + 2.0**-20], np.float32)
    assert widen_bf16(narrow_bf16(values)).tolist() == [1, 1 + 2 * ulp, 1 + ulp]
