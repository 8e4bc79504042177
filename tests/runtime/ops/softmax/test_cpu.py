"""Softmax, its loss and accuracy: any position of the axis, ignored labels, ties, labels that are none."""

import numpy as np
import pytest

from netdef import NetdefError
from runtime.ops.loss.normalization import NO_LABEL
from tests.runtime import reference
from tests.runtime.harness import normal, run_kernel

SHAPES = [(1, 5, 1), (1, 7, 3), (4, 3, 2), (2, 10, 64), (3, 4, 130), (2, 1, 5)]  # outer, classes, inner
SCRATCH = 128


def scores(shape: tuple[int, int, int]) -> np.ndarray:
    return normal(*shape).astype(np.float32) * 3


def labels(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(5).integers(0, shape[1], (shape[0], shape[2])).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape: tuple[int, int, int]) -> None:
    x, dy = scores(shape), normal(*shape, seed=1)
    (y,) = run_kernel("softmax_forward", [x], [shape])
    want = reference.softmax(x.astype(np.float64))
    np.testing.assert_allclose(y, want, rtol=2e-6)
    (dx,) = run_kernel("softmax_backward", [dy.astype(np.float32), y], [shape])
    np.testing.assert_allclose(dx, want * (dy - (want * dy).sum(1, keepdims=True)), rtol=1e-4, atol=1e-6)


def test_softmax_of_extremes() -> None:
    x = np.array([[[1e30, -np.inf, np.nan], [-1e30, 0, 0], [1e30, 0, 0]]], np.float32)
    (y,) = run_kernel("softmax_forward", [x], [x.shape])
    np.testing.assert_allclose(y[0, :, 0], [0.5, 0, 0.5], atol=1e-30)
    np.testing.assert_allclose(y[0, :, 1], [0, 0.5, 0.5], atol=1e-30)
    assert np.isnan(y[0, :, 2]).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("normalization", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
@pytest.mark.parametrize("ignore", [None, 0])
def test_loss_and_its_gradient(shape: tuple[int, int, int], normalization: str, ignore: int | None) -> None:
    x, t = scores(shape), labels(shape)
    (p,) = run_kernel("softmax_forward", [x], [shape])
    divisor = {"FULL": t.size, "VALID": 0, "BATCH_SIZE": shape[0], "NONE": 1}[normalization]
    skip = NO_LABEL if ignore is None else ignore
    loss, normalizer = run_kernel("softmax_loss", [p, t.ravel()], [(1,), (1,)], divisor=float(divisor), ignore=skip)

    def forward(x: np.ndarray) -> np.ndarray:
        return reference.softmax_loss(x, t, ignore=ignore, normalization=normalization)

    np.testing.assert_allclose(loss[0], forward(x.astype(np.float64)), rtol=1e-5, atol=1e-6)
    dloss = np.array([1.5], np.float32)
    (dx,) = run_kernel("softmax_loss_backward", [p, t.ravel(), normalizer, dloss], [shape], ignore=skip)
    if x.size < 200:
        want = reference.numeric_gradient(forward, x.astype(np.float64), np.array(1.5))
        np.testing.assert_allclose(dx, want, rtol=1e-4, atol=1e-6)


def test_a_probability_of_zero_is_not_infinite_loss() -> None:
    p = np.array([[[0.0], [1.0]]], np.float32)
    loss, _ = run_kernel("softmax_loss", [p, np.zeros(1, np.float32)], [(1,), (1,)], divisor=1.0, ignore=NO_LABEL)
    np.testing.assert_allclose(loss, -np.log(np.finfo(np.float32).tiny), rtol=1e-6)


def test_a_nan_is_nan_loss() -> None:
    p = np.full((1, 2, 1), np.nan, np.float32)
    loss, _ = run_kernel("softmax_loss", [p, np.zeros(1, np.float32)], [(1,), (1,)], divisor=1.0, ignore=NO_LABEL)
    assert np.isnan(loss[0])


@pytest.mark.parametrize("label", [-1, 3, np.nan, np.inf, 1e20])
def test_a_label_that_is_no_class(label: float) -> None:
    x, t = np.zeros((1, 3, 2), np.float32), np.array([0, label], np.float32)
    with pytest.raises(NetdefError, match="picks nothing"):
        run_kernel("softmax_loss", [x, t], [(1,), (1,)], divisor=1.0, ignore=NO_LABEL)
    with pytest.raises(NetdefError, match="picks nothing"):
        run_kernel("accuracy_hits", [x, t], [(2,)], top_k=1, ignore=NO_LABEL)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("top_k", [1, 3])
@pytest.mark.parametrize("ignore", [None, 0])
def test_accuracy(shape: tuple[int, int, int], top_k: int, ignore: int | None) -> None:
    x, t = np.round(scores(shape)), labels(shape)  # rounded: many ties
    skip = NO_LABEL if ignore is None else ignore
    (hits,) = run_kernel("accuracy_hits", [x, t.ravel()], [(t.size,)], top_k=top_k, ignore=skip)
    (share,) = run_kernel("accuracy_mean", [hits], [(1,)])
    (classes,) = run_kernel("accuracy_per_class", [hits, t.ravel()], [(shape[1],)])
    want, per_class = reference.accuracy(x, t, top_k, ignore=ignore)
    np.testing.assert_allclose(share[0], want, rtol=1e-6)
    np.testing.assert_allclose(classes, per_class, rtol=1e-6)


def test_a_net_that_says_nothing_is_not_right() -> None:
    for value in (0.0, np.nan):
        x = np.full((1, 4, 1), value, np.float32)
        (hits,) = run_kernel("accuracy_hits", [x, np.zeros(1, np.float32)], [(1,)], top_k=3, ignore=NO_LABEL)
        assert hits[0] == 0
