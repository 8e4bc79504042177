"""Losses of each prediction, and the hardest regions."""

import numpy as np
import pytest

import netdef
import runtime


def compiled(layer, given):
    inputs = "".join(
        f"layer {name}: Input {{ shape {{ {' '.join(f'dim: {size}' for size in array.shape)} }} }}\n"
        for name, array in given.items()
    )
    return runtime.compile(netdef.parse(f"force_backward: true\n{inputs}layer y: {layer}"))


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 2, 5)], ids=str)
def test_the_loss_of_each_prediction(shape):
    rng = np.random.default_rng(1)
    x, t = rng.normal(0, 2, shape), rng.integers(-1, shape[1], (shape[0], 1, *shape[2:]))
    settings = "{ loss_param { ignore_label: -1 normalization: PRE_FIXED pre_fixed_normalizer: 4 } }"
    with compiled(f"SoftmaxWithLossOHEM(x, t) -> y, p, each {settings}", {"x": x, "t": t}) as exe:
        y = exe.forward(x=x, t=t)
        exe.backward()
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        own = np.take_along_axis(p, np.maximum(t, 0), axis=1)
        each = np.where(t < 0, 0, -np.log(own))
        np.testing.assert_allclose(exe.blob("each"), each, rtol=1e-4, atol=1e-5)
        assert float(y["y"]) == pytest.approx(each.sum() / 4, rel=1e-5)
        hit = np.arange(shape[1]).reshape(1, -1, *(1,) * (len(shape) - 2)) == t
        np.testing.assert_allclose(exe.blob_grad("x"), np.where(t < 0, 0, p - hit) / 4, atol=1e-6)


def test_the_loss_of_each_region():
    a, b, w = 2 * np.random.default_rng(2).standard_normal((3, 6, 8))
    with compiled("SmoothL1LossOHEM(a, b, w) -> y, each { normalization: VALID }", {"a": a, "b": b, "w": w}) as exe:
        y = exe.forward(a=a, b=b, w=w)
        exe.backward()
        d = w * (a - b)
        each = np.where(abs(d) < 1, d**2 / 2, abs(d) - 0.5).sum(axis=1)
        np.testing.assert_allclose(exe.blob("each").ravel(), each, rtol=1e-5)
        assert float(y["y"]) == pytest.approx(each.sum() / 6, rel=1e-5)
        np.testing.assert_allclose(exe.blob_grad("a"), np.clip(d, -1, 1) * w / 6, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(9, 4, 1, 1), (5, 3, 2, 3)], ids=["regions", "pixels of regions"])
def test_the_hardest_regions_as_rfcn_finds_them(shape):
    """Each number of the losses in falling order, while its image has some left; as box_annotator_ohem_layer.cpp goes."""
    rng, (R, _, H, W) = np.random.default_rng(5), shape
    regions = np.zeros((R, 5, H, W))
    regions[:, 0] = rng.integers(0, 3, (R, H, W))
    losses = rng.permutation(R * H * W).reshape(R, 1, H, W).astype(float)
    labels, weights = rng.integers(0, 20, (R, 1, H, W)).astype(float), rng.random(shape)
    left, wanted, wanted_weights = {0: 3, 1: 3, 2: 3}, np.full(labels.shape, 255.0), np.zeros(shape)
    for index in sorted(range(losses.size), key=lambda index: -losses.ravel()[index]):
        n, h, w = index // (H * W), index // W % H, index % W
        image = int(regions[n, 0, h, w])
        if left[image]:
            left[image] -= 1
            wanted[n, 0, h, w], wanted_weights[n, :, h, w] = labels[n, 0, h, w], weights[n, :, h, w]
    given = {"r": regions, "l": losses, "t": labels, "w": weights}
    with compiled("BoxAnnotatorOHEM(r, l, t, w) -> y, v { roi_per_img: 3 ignore_label: 255 }", given) as exe:
        exe.forward(**given)
        np.testing.assert_array_equal(exe.blob("y"), wanted)
        np.testing.assert_allclose(exe.blob("v"), wanted_weights, rtol=1e-6)


@pytest.mark.parametrize(
    ("normalization", "divisor"),
    [("FULL", 24), ("VALID", 24), ("BATCH_SIZE", 4), ("NONE", 1), ("PRE_FIXED pre_fixed_normalizer: 0.5", 1)],
)
def test_divisors_of_rfcn(normalization, divisor):
    """Regions times pixels, regions, 1, or what is given, but no less than 1."""
    a, b = 2 * np.random.default_rng(6).standard_normal((2, 4, 5, 2, 3))
    layer = f"SmoothL1LossOHEM(a, b) -> y, each {{ loss_param {{ normalization: {normalization} }} }}"
    with compiled(layer, {"a": a, "b": b}) as exe:
        loss = float(exe.forward(a=a, b=b)["y"])
        exe.backward()
        each = np.where(abs(a - b) < 1, (a - b) ** 2 / 2, abs(a - b) - 0.5).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(exe.blob("each"), each, rtol=1e-5)
        assert loss == pytest.approx(each.sum() / divisor, rel=1e-5)
        np.testing.assert_allclose(exe.blob_grad("b"), -np.clip(a - b, -1, 1) / divisor, rtol=1e-4, atol=1e-6)


def test_the_hardest_regions_of_each_image_stay():
    regions = np.zeros((6, 5))
    regions[:, 0] = [0, 1, 0, 0, 1, 2]
    losses, labels = np.array([3.0, 1, 5, 4, 2, 0]), np.arange(1.0, 7)
    weights = np.random.default_rng(3).random((6, 8))
    given = {"r": regions, "l": losses, "t": labels, "w": weights}
    with compiled("BoxAnnotatorOHEM(r, l, t, w) -> y, v { roi_per_img: 2 ignore_label: -1 }", given) as exe:
        exe.forward(**given)
        kept = np.array([False, True, True, True, True, True])
        np.testing.assert_array_equal(exe.blob("y").ravel(), np.where(kept, labels, -1))
        np.testing.assert_allclose(exe.blob("v").reshape(6, 8), weights * kept[:, None], rtol=1e-6)
