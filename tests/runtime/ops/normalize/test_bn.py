"""Forks' BN: its running averages, what it becomes in inference, and BatchNorm with a scale and a shift of its own."""

import numpy as np
import pytest

import netdef
import runtime
from netdef.schema import message_class
from netdef.weights import read_weights

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


def test_averages_of_nvidias_batch_norm():
    """Those of the first batch, then moving_average_fraction of what they were and the rest of the batch; the divisor stays 1.

    As cudnn_batch_norm_layer.cu of NVIDIA's Caffe 0.17 has cuDNN average: the variance over count - 1.
    """
    batches = [np.random.default_rng(seed).normal(seed, 1 + seed, SHAPE) for seed in range(3)]
    mean, variance = [np.zeros(4)] * 2
    with runtime.compile(net_of("BatchNorm(x) { scale_bias: true moving_average_fraction: 0.75 }", "train")) as exe:
        for index, x in enumerate(batches):
            exe.forward(x=x)
            exe.backward(y=np.ones(SHAPE))
            exe.update()
            old = 0.75 if index else 0
            mean = old * mean + (1 - old) * x.mean(axis=(0, 2, 3))
            variance = old * variance + (1 - old) * x.var(axis=(0, 2, 3)) * 90 / 89
            np.testing.assert_allclose(exe.param("y", 0), mean, rtol=1e-5)
            np.testing.assert_allclose(exe.param("y", 1), variance, rtol=1e-5)
            assert exe.param("y", 2) == pytest.approx(1)


def test_batches_of_one_iteration_average_one_by_one():
    """What other blobs leave in memory between two batches changes nothing: a channel of zeros makes zeros."""
    x = np.array(X)
    x[:, 0] = 0
    mean = np.zeros(4)
    with runtime.compile(net_of("BN(x) layer z: ReLU(y)", "train"), keep="activations") as exe:
        for index in range(3):
            exe.set_scalar("added", index)
            batch = x + index * (np.arange(4) > 0).reshape(1, 4, 1, 1)
            exe.run_forward(0, x=batch)
            exe.backward(z=np.ones(SHAPE))
            momentum = exe.net.layer("y").momentum
            mean = momentum * mean + (1 - momentum) * batch.mean(axis=(0, 2, 3))
        exe.update()
        np.testing.assert_allclose(exe.param("y", 2).ravel(), mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_of_nvidias_batch_norm(legacy, tmp_path):
    """Its divisor, which older files leave at 0, is not read; Caffe 0.14 has the arrays in another order, 1 x C x 1 x 1."""
    scale, shift, mean, variance = LEARNED
    arrays = [mean, variance, np.zeros(1), scale, shift]
    if legacy:
        arrays = [array.reshape(1, -1, 1, 1) for array in (scale, shift, mean, variance, np.zeros(1))]
    wire_file(tmp_path / "w.caffemodel", "y", arrays)
    with runtime.compile(net_of("BatchNorm(x) { scale_bias: true eps: 1e-9 }", "test")) as exe:
        lines = []
        exe.load_weights(tmp_path / "w.caffemodel", say=lines.append)
        assert not [line for line in lines if "trained with" not in line]
        y = exe.forward(x=X)["y"]
        exe.save_weights(tmp_path / "again.caffemodel")
    expected = normal(X, mean, variance, 1e-5) * scale.reshape(-1, 1, 1) + shift.reshape(-1, 1, 1)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    again = read_weights(tmp_path / "again.caffemodel")["y"]
    np.testing.assert_allclose(again[3], scale, rtol=1e-6)


def wire_file(path, layer, arrays):
    """A .caffemodel of a layer's arrays."""
    message = message_class("NetParameter")()
    added = message.layer.add(name=layer, type="BatchNorm")
    for array in arrays:
        blob = added.blobs.add(data=array.ravel())
        blob.shape.dim.extend(array.shape)
    path.write_bytes(message.SerializeToString())


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
