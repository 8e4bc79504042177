"""BatchNorm and Scale as one kernel, with a sum and ReLU: bit for bit what kernels apart give, and float64's sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.ir.runs import ELEMENTS, row_runs
from tests.runtime.harness import normal, run_kernel, run_plan

SHAPES = [(1, 1), (3, 7), (5, 2049), (2, ELEMENTS + 5)]


def floats(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.astype(np.float32) for array in arrays]


def statistics(C: int) -> list[np.ndarray]:
    """mean, inverse, factor and bias."""
    mean, inverse, factor, bias = (normal(C, seed=seed) for seed in range(4))
    return floats(mean, 0.5 + abs(inverse), factor, bias)


@pytest.mark.parametrize(("C", "R"), SHAPES)
@pytest.mark.parametrize(("relu", "slope"), [(False, 0.0), (True, 0.0), (True, 0.1)])
def test_a_sum_behind_it(C: int, R: int, relu: bool, slope: float) -> None:
    x, more = floats(normal(C, R), normal(C, R, seed=1))
    x[0, 0], more[-1, -1] = np.nan, -np.inf
    given, settings = [x, *statistics(C)], {"relu": relu, "slope": slope}
    (found,) = run_kernel("normalize_scale_add", [*given, more], [(C, R)], **settings)
    (alone,) = run_kernel("normalize_scale", given, [(C, R)], relu=False, slope=0.0)
    after: dict[str, Any] = {"slope": slope} if relu else {}
    (expected,) = run_kernel("add_relu" if relu else "add", [alone.ravel(), more.ravel()], [(C * R,)], **after)
    np.testing.assert_array_equal(found.ravel(), expected)


@pytest.mark.parametrize(("C", "R"), SHAPES)
@pytest.mark.parametrize(("added", "slope"), [(False, 0.0), (True, 0.1)])
def test_the_gradient_of_relu_and_its_sums(C: int, R: int, added: bool, slope: float) -> None:
    mean, inverse, *_ = statistics(C)
    dy, more, y, x = floats(*(normal(C, R, seed=seed) for seed in range(4)))
    y[0, 0] = np.nan  # not above zero
    given = [dy, *([more] if added else []), y, x, mean, inverse]
    name = f"normalize_scale_{'add_' if added else ''}relu_terms"
    partials = (C, row_runs(1, R), 2)
    dz, terms = run_kernel(name, given, [(C, R), (partials, "float64")], slope=slope)
    total = dy + more if added else dy
    np.testing.assert_array_equal(dz, np.where(y > 0, total, np.float32(slope) * total))
    exact, distance = dz.astype(np.float64), (x - mean[:, None].astype(np.float64)) * inverse[:, None]
    for index, products in enumerate((exact * distance, exact)):
        bound = 1e-6 * np.abs(products).sum(axis=1) + 1e-12
        assert (np.abs(terms[..., index].sum(axis=1) - products.sum(axis=1)) <= bound).all()
    in_place = dy.copy()
    again = np.full(partials, np.nan)
    run_plan(name, [in_place, *given[1:], in_place, again], {"slope": slope}, parts=7)
    assert in_place.tobytes() == dz.tobytes() and again.tobytes() == terms.tobytes()
