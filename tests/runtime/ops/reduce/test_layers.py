"""Reduction beside NumPy, along every axis."""

import numpy as np
import pytest

import netdef
import runtime
from tests.runtime.harness import normal

OPERATIONS = {
    "SUM": np.sum,
    "ASUM": lambda x, axis: np.abs(x).sum(axis),
    "SUMSQ": lambda x, axis: (x**2).sum(axis),
    "MEAN": np.mean,
}


SHAPES = [(1, 1), (1, 5, 3, 2), (7, 3, 1, 9), (32, 4, 70, 3), (5,)]
PLACES = [(shape, axis) for shape in SHAPES for axis in (-1, *range(min(3, len(shape))))]


@pytest.mark.parametrize(("shape", "axis"), PLACES, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_reduction(shape, axis: int, operation: str) -> None:
    dims = " ".join(f"dim: {d}" for d in shape)
    body = f"axis: {axis} operation: {operation} coeff: -1.5"
    x = normal(*shape)
    with runtime.compile(
        netdef.parse(f"layer x: Input {{ shape {{ {dims} }} }} layer y: Reduction(x) {{ {body} }}"), threads=7
    ) as exe:
        found = exe.forward(x=x)["y"]
    expected = -1.5 * OPERATIONS[operation](x, axis=tuple(range(axis % len(shape), len(shape))))
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5 * np.sqrt(x.size))
