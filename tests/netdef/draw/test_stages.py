"""Stages, towers and wires of a picture."""

import netdef
from netdef.draw.stages import drawing_of


def stages(name, phase="test"):
    return {stage.name: stage for stage in drawing_of(netdef.load(name, phase=phase)).stages}


def test_layers_in_place_belong_to_the_stage_before():
    found = stages("alexnet")
    assert [layer.name for layer in found["conv1"].in_place] == ["relu1"]
    assert [layer.type for layer in found["fc6"].in_place] == ["ReLU", "Dropout"]
    assert "relu1" not in found
    assert (found["conv1"].shape, found["fc8"].shape, found["loss"].shape) == ((96, 55, 55), (1000,), ())


def test_the_numbers_of_all_stages_are_those_of_the_net():
    for name in ("alexnet", "googlenet"):
        net = netdef.load(name, phase="train")
        drawing = drawing_of(net)
        assert sum(stage.parameters for stage in drawing.stages) == net.totals.parameters
        assert sum(stage.macs for stage in drawing.stages) == net.totals.macs
        assert sum(len(stage.layers) for stage in drawing.stages) == len(net.layers)


def test_towers_are_connected_where_the_paper_connects_them():
    drawing = drawing_of(netdef.load("alexnet"))
    towers = {stage.name: stage.towers for stage in drawing.stages}
    assert [towers[name] for name in ("data", "conv1", "pool2", "conv3", "pool5", "fc6")] == [1, 2, 2, 2, 2, 1]
    apart = {wire.target.name: wire.apart for wire in drawing.wires}
    assert {name for name, separate in apart.items() if separate} == {
        "norm1", "pool1", "conv2", "norm2", "pool2", "conv4", "conv5", "pool5",
    }  # fmt: skip


def test_labels_are_listed_not_drawn():
    drawing = drawing_of(netdef.load("alexnet"))
    assert {stage.name: stage.labels for stage in drawing.stages if stage.labels} == {
        "loss": ["label"], "top1": ["label"], "top5": ["label"],
    }  # fmt: skip
    assert not [wire for wire in drawing.wires if wire.blob.name == "label"]


def test_nets_without_branches():
    straight = {name for name in ("alexnet", "lenet", "nin", "vgg19", "googlenet") if drawing_of(netdef.load(name)).straight}
    assert straight == {"alexnet", "lenet", "nin", "vgg19"}


def test_many_groups_are_no_towers():
    text = """
    layer data: Input { shape { dim: [1, 64, 8, 8] } }
    layer conv: Convolution(data) { num_output: 64 kernel_size: 3 group: 16 }
    """
    assert [stage.towers for stage in drawing_of(netdef.parse(text)).stages] == [1, 1]
