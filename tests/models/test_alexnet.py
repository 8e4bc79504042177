"""The nets that come with netdef have the numbers of their papers."""

from subprocess import run
from sys import executable

import numpy
import pytest

import netdef
from netdef.graph.towers import towers
from netdef.language.find import models_folder
from netdef.solver_file import load_solver
from tests.models.loaded import load
from tests.paths import TESTS

GOLDEN = TESTS / "goldens" / "nets" / "bvlc_alexnet.npz"

CONVOLUTIONS = {  # output, weights, kernel, stride, pad, group, bias to begin with, MACs of one image
    "conv1": ((96, 55, 55), (96, 3, 11, 11), 11, 4, 0, 1, 0, 105_415_200),
    "conv2": ((256, 27, 27), (256, 48, 5, 5), 5, 1, 2, 2, 1, 223_948_800),
    "conv3": ((384, 13, 13), (384, 256, 3, 3), 3, 1, 1, 1, 0, 149_520_384),
    "conv4": ((384, 13, 13), (384, 192, 3, 3), 3, 1, 1, 2, 1, 112_140_288),
    "conv5": ((256, 13, 13), (256, 192, 3, 3), 3, 1, 1, 2, 1, 74_760_192),
}
CONNECTED = {"fc6": (4096, 9216, 1, 37_748_736), "fc7": (4096, 4096, 1, 16_777_216), "fc8": (1000, 4096, 0, 4_096_000)}


@pytest.fixture(scope="module", params=["train", "test"])
def alexnet(request):
    return load("alexnet", phase=request.param)


def test_convolutions_are_those_of_the_paper(alexnet):
    for name, (output, weights, kernel, stride, pad, group, bias, macs) in CONVOLUTIONS.items():
        layer = alexnet.layer(name)
        assert layer.tops[0].shape[1:] == output
        assert (layer.kernel, layer.stride, layer.pad, layer.group) == ((kernel,) * 2, (stride,) * 2, (pad,) * 2, group)
        assert [p.shape for p in layer.parameters] == [weights, (weights[0],)]
        check_fillers(layer, bias)
        assert layer.macs == macs


def test_fully_connected_layers_are_those_of_the_paper(alexnet):
    for name, (outputs, inputs, bias, macs) in CONNECTED.items():
        layer = alexnet.layer(name)
        assert layer.tops[0].shape[1:] == (outputs,)
        assert [p.shape for p in layer.parameters] == [(outputs, inputs), (outputs,)]
        check_fillers(layer, bias)
        assert layer.macs == macs


def check_fillers(layer, bias):
    weights, biases = (p.filler for p in layer.parameters)
    assert (weights.type, weights.mean, weights.std) == ("gaussian", 0, pytest.approx(0.01))
    assert (biases.type, biases.value) == ("constant", bias)
    assert [(p.lr_mult, p.decay_mult) for p in layer.parameters] == [(1, 1), (2, 0)]


def test_normalisation_is_that_of_the_paper(alexnet):
    for name in ("norm1", "norm2"):
        layer = alexnet.layer(name)
        assert (layer.size, layer.k, layer.beta, layer.group) == (5, 2, 0.75, 2)
        assert layer.alpha / layer.size == pytest.approx(1e-4)  # the paper does not divide
    assert [layer.bottoms[0].producer.name for layer in map(alexnet.layer, ("norm1", "norm2"))] == ["relu1", "relu2"]


def test_pooling_and_dropout_are_those_of_the_paper(alexnet):
    sides = {"pool1": (96, 27, 27), "pool2": (256, 13, 13), "pool5": (256, 6, 6)}
    for name, output in sides.items():
        layer = alexnet.layer(name)
        assert (layer.method, layer.kernel, layer.stride, layer.pad) == ("MAX", (3, 3), (2, 2), (0, 0))
        assert layer.tops[0].shape[1:] == output
    assert [alexnet.layer(name).ratio for name in ("drop6", "drop7")] == [0.5, 0.5]


def test_parameters(alexnet):
    assert alexnet.totals.parameters == 60_965_224
    assert sum(layer.macs for layer in alexnet.layers if layer.parameters) == 724_406_816


def test_the_order_of_layers(alexnet):
    names = [layer.name for layer in alexnet.layers if layer.type not in ("ImageData", "Softmax", "Accuracy")]
    assert " ".join(names) == (
        "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 "
        "fc6 relu6 drop6 fc7 relu7 drop7 fc8 loss"
    )
    assert all(all(layer.in_place) for layer in alexnet.layers if layer.type in ("ReLU", "Dropout"))


def test_data_and_what_is_reported():
    for name in ("alexnet", "bvlc_alexnet", "caffenet"):
        train, test = load(name, phase="train"), load(name, phase="test")
        for net, batch, mirror in ((train, 32, True), (test, 50, False)):
            data = net.layer("data")
            assert (data.source, data.batch_size, data.crop_size) == ("builtin:photos", batch, 227)
            assert data.message.transform_param.mirror == mirror
            assert list(data.message.transform_param.mean_value) == [104, 117, 123]
            assert [top.shape for top in data.tops] == [(batch, 3, 227, 227), (batch,)]
            assert net.layer("loss").loss_weights == (1,)
        assert [str(blob) for blob in train.outputs] == ["loss"]
        assert [str(blob) for blob in test.outputs] == ["loss", "prob", "top1", "top5"]
        assert [test.layer(name).top_k for name in ("top1", "top5")] == [1, 5]


def test_the_towers_are_drawn_as_in_the_paper():
    net = load("alexnet")
    cut = {layer.name: towers(net)[layer.tops[0]] for layer in net.layers}
    halves = {name for name, groups in cut.items() if groups == 2}
    assert set(cut.values()) == {1, 2}
    assert halves == {
        layer.name for layer in net.layers if layer.name[-1] in "12345" and layer.type in ("Convolution", "ReLU", "LRN", "Pooling")
    }
    single = load("caffenet")
    assert set(towers(single).values()) == {1}


def test_bvlc_alexnet_has_the_blobs_of_the_reference():
    golden = numpy.load(GOLDEN)
    net = netdef.load("bvlc_alexnet", phase="test", batch_size=2)
    shapes = {name[6:]: tuple(golden[name].tolist()) for name in golden.files if name.startswith("shape_")}
    assert {name: net.blobs[name].shape for name in shapes} == shapes
    learned = {name[6:] for name in golden.files if name.startswith("gnorm_")}
    assert {str(p) for p in net.parameters} == learned
    assert {"loss", "prob"} < set(net.blobs)


def test_bvlc_alexnet_is_the_variant_of_berkeley():
    net = load("bvlc_alexnet")
    biases = [layer.parameters[1].filler.value for layer in net.layers if layer.parameters]
    assert biases == pytest.approx([0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0])
    spread = [net.layer(name).parameters[0].filler.std for name in ("conv1", "fc6", "fc7", "fc8")]
    assert spread == pytest.approx([0.01, 0.005, 0.005, 0.01])
    norm = net.layer("norm1")
    assert (norm.size, norm.alpha, norm.beta, norm.k, norm.group) == (5, pytest.approx(1e-4), 0.75, 1, 1)
    assert net.totals.parameters == 60_965_224


def test_caffenet_is_one_tower_that_pools_before_it_normalises():
    net = load("caffenet")
    assert all(layer.group == 1 for layer in net.layers if layer.type in ("Convolution", "LRN"))
    assert [net.layer(name).bottoms[0].producer.name for name in ("norm1", "norm2")] == ["pool1", "pool2"]
    assert net.totals.parameters == 62_378_344


def test_solver_of_the_paper():
    solver = load_solver("imagenet_solver").message
    assert solver.iter_size * 32 == 128
    assert (solver.momentum, solver.weight_decay, solver.base_lr) == pytest.approx((0.9, 0.0005, 0.01))
    assert (solver.lr_policy, solver.gamma, solver.plateau_max) == ("plateau", pytest.approx(0.1), 3)
    assert round(solver.max_iter * 128 / 1_281_167) == 90
    assert not solver.test_iter  # all validation images, however many there are


def test_no_array_library_is_needed_to_look_at_a_net():
    code = (
        "import sys, netdef\n"
        "netdef.load('alexnet').totals\n"
        "import netdef.shapes, netdef.diff, netdef.solver_file\n"
        "print([name for name in ('numpy', 'numba', 'PIL', 'rich', 'runtime', 'h5py', 'yaml') if name in sys.modules])"
    )
    done = run([executable, "-c", code], capture_output=True, text=True, cwd=models_folder().parent, check=True)
    assert done.stdout.strip() == "[]"
