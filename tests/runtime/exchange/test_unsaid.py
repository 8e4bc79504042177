"""Strides, padding and rounding that a state_dict does not hold, and that the net of another framework has otherwise."""

from __future__ import annotations

import pytest

from netdef import load, parse
from runtime.exchange.unsaid import RESNET, differences

POOLED = "layer data: Input -> data { shape { dim: [1, 3, 16, 16] } } layer pool: Pooling(data) { kernel_size: 3 stride: 2 %s }"


@pytest.mark.parametrize(("settings", "found"), [("", 1), ("pad: 1 round_mode: FLOOR", 0), ("round_mode: FLOOR", 0)])
def test_pooling_that_rounds_up(settings, found):
    said = differences(parse(POOLED % settings, phase="test"), ["a.weight"], {})
    assert len(said) == found
    assert all("pool rounds up" in one for one in said)


@pytest.mark.parametrize("key", ["conv/7x7/0", "conv_7x7.weight"])
def test_arrays_of_the_net_itself(key):
    assert differences(parse(POOLED % "", phase="test"), [key], {"conv/7x7/0": key}) == []


def test_resnets_of_torchvision():
    net, basic = load("resnet50", phase="test"), load("resnet18", phase="test")
    table = {"res3a_branch2a/0": "layer2.0.conv1.weight", "res3a_branch2b/0": "layer2.0.conv2.weight"}
    said = differences(net, [*RESNET, "layer1.0.conv3.weight"], {**table, "res3a_branch1/0": "layer2.0.downsample.0.weight"})
    assert said == [
        "res3a_branch2a has stride 2, torchvision's layer2.0.conv1 has 1",
        "res3a_branch2b has stride 1, torchvision's layer2.0.conv2 has 2",
        "pool1 has pad 0 and rounds up, torchvision's has pad 1 and rounds down",
    ]
    table = {"res3a_branch2a/0": "layer2.0.conv1.weight", "res3a_branch2b/0": "layer2.0.conv2.weight", "fc1000/0": "fc.weight"}
    assert len(differences(basic, RESNET, table)) == 1
