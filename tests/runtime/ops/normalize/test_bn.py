"""Forks' BN: its running averages, what it becomes in inference, and BatchNorm with a scale and a shift of its own."""

import numpy as np
import pytest

import netdef
import runtime

SHAPE = (5, 4, 3, 6)
X = np.random.default_rng(1).normal(2, 3, SHAPE)
LEARNED = np.random.default_rng(2).uniform(0.5, 2, (4, 4))  # scale, shift, mean, variance


def net_of(layer, phase):
    dims = " ".join(f"dim: {size}" for size in SHAPE)
    return netdef.parse(f"force_backward: true layer x: Input {{ shape {{ {dims} }} }} layer y: {layer}", phase=phase)


def normal(x, mean, variance, eps):
    return (x - mean.reshape(-1, 1, 1)) / np.sqrt(variance.reshape(-1, 1, 1) + eps)


def test_averages_of_a_batch():
    with runtime.compile(net_of("BN(x) { slope_filler { type: 'constant' value: 1 } momentum: 0.75 }", "train")) as exe:
        for index in (2, 3):
            exe.set_param("y", index, LEARNED[index].reshape(1, 4, 1, 1))
        y = exe.forward(x=X)["y"]
        exe.backward(y=np.ones(SHAPE))
        exe.update()
        mean, variance = X.mean(axis=(0, 2, 3)), X.var(axis=(0, 2, 3))
        np.testing.assert_allclose(y, normal(X, mean, variance, 1e-5), atol=1e-4)
        np.testing.assert_allclose(exe.param("y", 2).ravel(), 0.75 * LEARNED[2] + 0.25 * mean, rtol=1e-5)
        np.testing.assert_allclose(exe.param("y", 3).ravel(), 0.75 * LEARNED[3] + 0.25 * variance, rtol=1e-5)


@pytest.mark.parametrize("phase", ["train", "test"])
def test_stored_averages(phase):
    with runtime.compile(net_of("BN(x) { frozen: true }" if phase == "train" else "BN(x)", phase)) as exe:
        for index in range(4):
            exe.set_param("y", index, LEARNED[index].reshape(1, 4, 1, 1))
        y = exe.forward(x=X)["y"]
        scale, shift = LEARNED[:2].reshape(2, 4, 1, 1)
        np.testing.assert_allclose(y, normal(X, LEARNED[2], LEARNED[3], 1e-5) * scale + shift, rtol=1e-4, atol=1e-4)


def test_batch_norm_with_a_scale_of_its_own_is_the_two_layers():
    pairs = []
    for layers in ("BatchNorm(x) { scale_bias: true }", "BatchNorm(x) layer z: Scale(y) { bias_term: true }"):
        with runtime.compile(net_of(layers, "train")) as exe:
            for index in (0, 1):
                exe.set_param(*(("y", 3 + index) if "scale_bias" in layers else ("z", index)), LEARNED[index])
            (top,) = exe.forward(x=X)
            exe.backward(**{top: np.cos(X)})
            owner, first = ("y", 3) if top == "y" else ("z", 0)
            pairs.append([exe.blob(top), exe.blob_grad("x"), *(exe.param_grad(owner, first + index) for index in (0, 1))])
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_becomes_part_of_the_convolution_before_it():
    dims = " ".join(f"dim: {size}" for size in SHAPE)
    text = (
        f"layer x: Input {{ shape {{ {dims} }} }} "
        "layer c: Convolution(x) { num_output: 4 kernel_size: 3 weight_filler { type: 'xavier' } } layer y: BN(c)"
    )
    made = []
    for fold in (True, False):
        with runtime.compile(netdef.parse(text, phase="test"), backward=False, fold=fold, seed=1) as exe:
            for index in range(4):
                exe.set_param("y", index, LEARNED[index].reshape(1, 4, 1, 1))
            made.append((exe.forward(x=X)["y"], {one.kernel for one in exe.program.forward if not one.once}))
    np.testing.assert_allclose(made[0][0], made[1][0], atol=1e-4)
    assert "normalize_channels" in made[1][1] and "normalize_channels" not in made[0][1]
