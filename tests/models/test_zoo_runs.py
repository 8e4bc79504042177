"""The nets of the zoo run forward and backward; those that are large do so with small images or few neurons."""

import numpy as np
import pytest

import netdef
import runtime
from netdef.language.find import model_names

FEW = {"fc6.num_output": 32, "fc7.num_output": 32}
SMALL = {
    "vgg16": {**FEW, "data.transform_param.crop_size": 32},
    "vgg19": {**FEW, "data.transform_param.crop_size": 32},
}


def small(name, phase):
    """A net at batch 2, with few neurons in the layers that hold most of its weights."""
    layers = {layer.name for layer in netdef.load(name).layers}
    overrides = SMALL.get(name, FEW if "fc6" in layers else {})
    return netdef.load(name, phase=phase, overrides=overrides)


@pytest.mark.parametrize("name", model_names())
def test_it_trains(name):
    exe = runtime.compile(small(name, "train"), batch_size=2, losses_only=True, seed=3)
    source = exe.net.layers[0]
    classes = 10 if name in ("lenet", "cifar10_relu", "cifar10_tanh") else 1000
    shape = source.tops[0].shape
    assert shape[0] == 2
    data = np.random.default_rng(1).standard_normal(shape, dtype="f4") * (1 if name == "lenet" else 50)
    losses = exe.forward(data=data, label=[3, 7])
    expected = sum(layer.loss_weights[0] for layer in exe.net.layers if layer.is_loss) * np.log(classes)
    weighted = sum(float(losses[str(layer.tops[0])]) * layer.loss_weights[0] for layer in exe.net.layers if layer.is_loss)
    assert 0.3 * expected < weighted < 6 * expected  # untrained: about as good as guessing
    exe.backward()
    for parameter in exe.net.parameters:
        gradient = exe.param_grad(parameter.layer.name, parameter.index)
        assert np.isfinite(gradient).all()
        assert parameter.index or gradient.any(), f"no gradient reaches {parameter}"


@pytest.mark.parametrize("name", model_names())
def test_it_compiles_at_full_size_in_both_phases(name):
    for phase in ("train", "test"):
        net = netdef.load(name, phase=phase, batch_size=2)
        program = runtime.compile_program(net, backward=phase == "train")
        assert program.plan is not None
        assert {step.layer for step in program.forward} >= {layer.name for layer in net.layers if layer.parameters}
