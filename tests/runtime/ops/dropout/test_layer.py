"""Dropout as a layer: with scale_train: false, of Fast R-CNN's Caffe, testing scales instead of training."""

import numpy as np
import pytest

import netdef
import runtime

X = np.random.default_rng(1).normal(size=(3, 4, 5)).astype("f4")
NET = "force_backward: true layer x: Input {{ shape {{ dim: 3 dim: 4 dim: 5 }} }} layer y: Dropout(x) {{ dropout_ratio: 0.2 {} }}"


def run(phase, settings):
    """The output, and the gradient of its sum."""
    with runtime.compile(netdef.parse(NET.format(settings), phase=phase), seed=1, threads=7) as exe:
        y = exe.forward(x=X)["y"].copy()
        exe.backward(y=np.ones_like(X))
        return y, exe.blob_grad("x")


@pytest.mark.parametrize(("settings", "factor"), [("", 1), ("scale_train: true", 1), ("scale_train: false", 0.8)])
def test_testing(settings, factor):
    y, gradient = run("test", settings)
    np.testing.assert_allclose(y, factor * X, rtol=1e-6)
    np.testing.assert_allclose(gradient, np.full_like(X, factor), rtol=1e-6)


def test_training_draws_the_same_mask_and_divides_by_nothing():
    scaled, scaled_gradient = run("train", "")
    y, gradient = run("train", "scale_train: false")
    assert 0 < (y != 0).sum() < y.size
    np.testing.assert_array_equal(y, np.where(scaled != 0, X, 0))
    np.testing.assert_array_equal(gradient, (scaled_gradient != 0).astype("f4"))
