"""Kernels that go element by element: activations, sums, maxima, copies."""

import numpy as np
import pytest

from runtime.kernels.cpu.jit import BLOCK
from tests.runtime import reference
from tests.runtime.harness import run_kernel

SIZES = [1, 2, 7, 64, BLOCK, 3 * BLOCK + 5]


def values(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, size]).standard_normal(size, dtype=np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("slope", [0.0, 0.1, -0.5])
def test_relu(size: int, slope: float) -> None:
    x, dy = values(size), values(size, 1)
    (y,) = run_kernel("relu_forward", [x], [(size,)], slope=slope)
    np.testing.assert_allclose(y, reference.relu(x, slope), rtol=1e-6)
    (dx,) = run_kernel("relu_backward", [dy, x], [(size,)], slope=slope)
    np.testing.assert_allclose(dx, np.where(x > 0, dy, slope * dy), rtol=1e-6)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_relu_lets_a_nan_through(slope: float) -> None:
    (y,) = run_kernel("relu_forward", [np.full(40, np.nan, np.float32)], [(40,)], slope=slope)
    assert np.isnan(y).all()


@pytest.mark.parametrize("size", SIZES)
def test_sigmoid(size: int) -> None:
    x, dy = 10 * values(size), values(size, 1)
    (y,) = run_kernel("sigmoid_forward", [x], [(size,)])
    want = reference.sigmoid(x.astype(np.float64))
    np.testing.assert_allclose(y, want, rtol=1e-6)
    (dx,) = run_kernel("sigmoid_backward", [dy, y], [(size,)])
    np.testing.assert_allclose(dx, dy * want * (1 - want), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_tanh(size: int) -> None:
    x, dy = values(size), values(size, 1)
    (y,) = run_kernel("tanh_forward", [x], [(size,)])
    want = np.tanh(x.astype(np.float64))
    np.testing.assert_allclose(y, want, rtol=1e-6)
    (dx,) = run_kernel("tanh_backward", [dy, y], [(size,)])
    np.testing.assert_allclose(dx, dy * (1 - want**2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name,limits", [("sigmoid_forward", (0, 1)), ("tanh_forward", (-1, 1))])
def test_saturation_and_nan(name: str, limits: tuple[float, float]) -> None:
    x = np.array([-np.inf, -1e30, -200, 200, 1e30, np.inf, np.nan], np.float32)
    (y,) = run_kernel(name, [x], [x.shape])
    np.testing.assert_allclose(y[:6], np.repeat(limits, 3), atol=1e-37)
    assert np.isnan(y[6])


def test_exponential_is_exact_to_two_units() -> None:
    """Through softmax of two classes: exp(x) / (exp(0) + exp(x)) for x below 0 is dominated by exp."""
    x = np.zeros((1, 2, 100_000), np.float32)
    x[0, 1] = np.linspace(-86, -20, 100_000)
    (y,) = run_kernel("softmax_forward", [x], [x.shape])
    want = np.exp(x[0, 1].astype(np.float64))
    assert np.max(np.abs(y[0, 1] / want - 1)) < 2.5e-7


@pytest.mark.parametrize("size", SIZES)
def test_sums_and_products(size: int) -> None:
    a, b = values(size), values(size, 1)
    sums = 0.5 * a - 2 * b
    for name, want, constants in [
        ("add", a + b, {}),
        ("multiply", a * b, {}),
        ("scaled_add", sums, {"factor_a": 0.5, "factor_b": -2.0}),
        ("add_relu", np.maximum(a + b, 0), {"slope": 0.0}),
        (
            "scaled_add_relu",
            np.maximum(sums, 0.1 * sums),
            {"factor_a": 0.5, "factor_b": -2.0, "slope": 0.1},
        ),
    ]:
        (y,) = run_kernel(name, [a, b], [(size,)], **constants)
        np.testing.assert_allclose(y, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(run_kernel("copy", [a], [(size,)])[0], a)
    np.testing.assert_array_equal(run_kernel("scale", [a], [(size,)], factor=2.0)[0], 2 * a)
    np.testing.assert_array_equal(run_kernel("fill", [], [(size,)], value=0.3)[0], np.float32(0.3))


@pytest.mark.parametrize("count", range(3, 9))
def test_sums_of_many(count: int) -> None:
    arrays = [values(SIZES[-1], seed) for seed in range(count)]
    (y,) = run_kernel(f"add_{count}", arrays, [(SIZES[-1],)])
    np.testing.assert_allclose(y, np.sum(arrays, axis=0, dtype=np.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_maxima_and_who_won(size: int) -> None:
    """Of the first two the second wins a tie, later ones must be larger, as in Caffe."""
    bottoms = [np.round(values(size, seed)) for seed in range(3)]
    y, winner = run_kernel("maximum_pair", bottoms[:2], [(size,), ((size,), "uint8")])
    y, winner = run_kernel("maximum_next", [y, bottoms[2], winner], [(size,), ((size,), "uint8")], index=2)
    first = np.where(bottoms[0] > bottoms[1], 0, 1)
    want = np.where(bottoms[2] > np.maximum(*bottoms[:2]), 2, first)
    np.testing.assert_array_equal(winner, want)
    np.testing.assert_array_equal(y, np.max(bottoms, 0))
    dy = values(size, 5)
    for index in range(3):
        (dx,) = run_kernel("maximum_backward", [dy, winner], [(size,)], index=index)
        np.testing.assert_array_equal(dx, np.where(want == index, dy, 0))


def test_quotient() -> None:
    a, b, dy = values(50), values(50, 1), values(50, 2)
    (dx,) = run_kernel("quotient_backward", [dy, a * b, a], [(50,)])
    np.testing.assert_allclose(dx, dy * b, rtol=1e-5)


@pytest.mark.parametrize("rows,widths", [(1, (3, 5)), (4, (1, 2, 3)), (40, (64, 7))])
def test_columns_join_and_part(rows: int, widths: tuple[int, ...]) -> None:
    whole = values(rows * sum(widths)).reshape(rows, -1)
    offset = 0
    for width in widths:
        (part,) = run_kernel("take_columns", [whole], [(rows, width)], offset=offset)
        np.testing.assert_array_equal(part, whole[:, offset : offset + width])
        (joined,) = run_kernel("join_columns", [part], [whole.shape], offset=offset)
        np.testing.assert_array_equal(joined[:, offset : offset + width], part)
        others = np.delete(joined, np.s_[offset : offset + width], axis=1)
        assert np.isnan(others).all()  # not its to write
        offset += width


@pytest.mark.parametrize(
    "old,new",
    [
        ((2, 6), (3, 4)),
        ((7, 1), (1, 7)),
        ((5, 4), (5, 4)),
        ((1, 12), (6, 2)),
        ((1, 33 * 601), (33, 601)),
        ((33, 601), (1, 33 * 601)),
    ],
)
def test_rebatch(old: tuple[int, int], new: tuple[int, int]) -> None:
    """(images, elements) as users see them: the flat order stays."""
    x = values(old[0] * old[1]).reshape(old)
    (y,) = run_kernel("rebatch", [np.ascontiguousarray(x.T)], [(new[1], new[0])])
    np.testing.assert_array_equal(y.T, x.reshape(new))
