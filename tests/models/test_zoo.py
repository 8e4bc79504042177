"""The nets of the zoo have the shapes, parameters and multiply-accumulates that their papers and published models have."""

import re

import pytest

import netdef
from netdef.graph.layer import LAYERS
from netdef.graph.towers import towers
from netdef.language.find import model_names, models_folder
from netdef.shapes import GEMM_KINDS

# Parameters, and the multiply-accumulates of one image in convolutions and inner products, in testing.
TOTALS = {
    "alexnet": (60_965_224, 724_406_816),
    "alexnet_one_tower": (59_798_312, 391_514_384),
    "alexnet_six_conv": (61_260_392, 735_023_648),
    "alexnet_tf": (62_378_344, 1_169_048_096),
    "bvlc_alexnet": (60_965_224, 724_406_816),
    "bvlc_reference_caffenet": (60_965_224, 724_406_816),
    "caffenet": (62_378_344, 1_135_256_096),
    "caffenet_norm_first": (62_378_344, 1_135_256_096),
    "cifar10_relu": (89_578, 12_298_240),
    "cifar10_tanh": (89_578, 12_298_240),
    "googlenet": (6_998_552, 1_582_671_872),
    "lenet": (431_080, 2_293_000),
    "nin": (7_595_176, 1_100_188_800),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "zfnet": (62_357_608, 1_168_032_896),
}

SHAPES = {  # of one image
    "alexnet_one_tower": {
        "conv1": (48, 55, 55), "conv2": (128, 27, 27), "conv3": (192, 13, 13), "conv4": (192, 13, 13), "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
    },
    "alexnet_six_conv": {"pool5": (256, 6, 6), "conv6": (256, 6, 6), "fc6": (4096,)},
    "alexnet_tf": {
        "conv1": (96, 55, 55), "pool1": (96, 28, 28), "conv2": (256, 28, 28), "pool2": (256, 13, 13), "pool5": (256, 6, 6),
    },
    "bvlc_reference_caffenet": {"pool1": (96, 27, 27), "norm1": (96, 27, 27), "norm2": (256, 13, 13), "pool5": (256, 6, 6)},
    "cifar10_relu": {"conv1": (32, 32, 32), "pool1": (32, 16, 16), "pool2": (32, 8, 8), "conv3": (64, 8, 8), "pool3": (64, 4, 4)},
    "googlenet": {
        "conv1/7x7_s2": (64, 112, 112), "pool1/norm1": (64, 56, 56), "conv2/norm2": (192, 56, 56), "pool2/3x3_s2": (192, 28, 28),
        "inception_3a/output": (256, 28, 28), "inception_3b/output": (480, 28, 28), "pool3/3x3_s2": (480, 14, 14),
        "inception_4a/output": (512, 14, 14), "inception_4b/output": (512, 14, 14), "inception_4c/output": (512, 14, 14),
        "inception_4d/output": (528, 14, 14), "inception_4e/output": (832, 14, 14), "pool4/3x3_s2": (832, 7, 7),
        "inception_5a/output": (832, 7, 7), "inception_5b/output": (1024, 7, 7), "pool5/7x7_s1": (1024, 1, 1),
    },
    "lenet": {"conv1": (20, 24, 24), "pool1": (20, 12, 12), "conv2": (50, 8, 8), "pool2": (50, 4, 4), "ip1": (500,), "ip2": (10,)},
    "nin": {
        "conv1": (96, 54, 54), "pool0": (96, 27, 27), "pool2": (256, 13, 13), "pool3": (384, 6, 6), "cccp8": (1000, 6, 6),
        "pool4": (1000, 1, 1),
    },
    "vgg16": {"conv1_2": (64, 224, 224), "conv3_3": (256, 56, 56), "conv5_3": (512, 14, 14), "pool5": (512, 7, 7), "fc6": (4096,)},
    "vgg19": {"conv3_4": (256, 56, 56), "conv4_4": (512, 28, 28), "conv5_4": (512, 14, 14), "pool5": (512, 7, 7)},
    "zfnet": {
        "conv1": (96, 110, 110), "pool1": (96, 55, 55), "conv2": (256, 26, 26), "pool2": (256, 13, 13), "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
    },
}  # fmt: skip

WEIGHTS = {  # what a published .caffemodel holds, by layer
    "bvlc_reference_caffenet": {
        "conv1": (96, 3, 11, 11), "conv2": (256, 48, 5, 5), "conv3": (384, 256, 3, 3), "conv4": (384, 192, 3, 3),
        "conv5": (256, 192, 3, 3), "fc6": (4096, 9216), "fc7": (4096, 4096), "fc8": (1000, 4096),
    },
    "googlenet": {
        "conv1/7x7_s2": (64, 3, 7, 7), "conv2/3x3": (192, 64, 3, 3), "inception_3a/5x5": (32, 16, 5, 5),
        "inception_4d/3x3_reduce": (144, 512, 1, 1), "inception_5b/pool_proj": (128, 832, 1, 1), "loss3/classifier": (1000, 1024),
        "loss1/conv": (128, 512, 1, 1), "loss1/fc": (1024, 2048), "loss2/conv": (128, 528, 1, 1), "loss2/classifier": (1000, 1024),
    },
    "lenet": {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "ip1": (500, 800), "ip2": (10, 500)},
    "nin": {"conv1": (96, 3, 11, 11), "cccp1": (96, 96, 1, 1), "conv4-1024": (1024, 384, 3, 3), "cccp8-1024": (1000, 1024, 1, 1)},
    "vgg16": {"conv1_1": (64, 3, 3, 3), "conv3_3": (256, 256, 3, 3), "fc6": (4096, 25088), "fc8": (1000, 4096)},
    "zfnet": {"conv1": (96, 3, 7, 7), "conv2": (256, 96, 5, 5), "fc6": (4096, 9216)},
}  # fmt: skip


STARTS = {  # of each layer with weights in turn: the standard deviation (None: xavier), and the biases
    "alexnet": ([0.01] * 8, [0, 1, 0, 1, 1, 1, 1, 0]),
    "bvlc_alexnet": ([0.01] * 5 + [0.005, 0.005, 0.01], [0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0]),
    "bvlc_reference_caffenet": ([0.01] * 5 + [0.005, 0.005, 0.01], [0, 1, 0, 1, 1, 1, 1, 0]),
    "cifar10_relu": ([0.0001, 0.01, 0.01, 0.01], [0] * 4),
    "lenet": ([None] * 4, [0] * 4),
    "nin": ([0.01, *[0.05] * 5, 0.01, *[0.05] * 4, 0.01], [0] * 12),
    "zfnet": ([0.01] * 8, [0] * 8),
}


def gemm_macs(net):
    return sum(layer.macs for layer in net.layers if LAYERS[layer.type].kind in GEMM_KINDS)


def convolutions(net):
    return [layer for layer in net.layers if layer.type == "Convolution"]


def test_every_model_is_in_these_tables():
    assert set(TOTALS) == set(model_names())


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    net = netdef.load(name, phase="test")
    assert (net.totals.parameters, gemm_macs(net)) == TOTALS[name]


@pytest.mark.parametrize("name", TOTALS)
def test_training_has_the_same_parameters_and_ends_in_losses(name):
    train, test = netdef.load(name, phase="train"), netdef.load(name, phase="test")
    auxiliary = {layer.name for layer in train.layers} - {layer.name for layer in test.layers}
    shared = {str(p): p.shape for p in train.parameters if p.layer.name not in auxiliary}
    assert shared == {str(p): p.shape for p in test.parameters}
    assert all(blob.shape == () for blob in train.outputs)
    assert {str(blob) for blob in test.outputs} > {"prob"}
    assert bool(auxiliary) == (name == "googlenet")


@pytest.mark.parametrize("name", TOTALS)
def test_the_file_names_its_source_and_its_number_of_parameters(name):
    comment = re.match(r"(#.*\n)+", (models_folder() / f"{name}.net").read_text())
    assert comment
    assert re.search(r"paper|Caffe|19\d\d|20\d\d", comment[0])
    quoted = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]{4,}(?= parameters)", comment[0])}
    assert quoted <= {netdef.load(name, phase=phase).totals.parameters for phase in ("train", "test")}
    assert quoted or name == "bvlc_alexnet"


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    net = netdef.load(name)
    assert {blob: net.blobs[blob].shape[1:] for blob in SHAPES[name]} == SHAPES[name]


@pytest.mark.parametrize("name", WEIGHTS)
def test_published_weights_fit(name):
    net = netdef.load(name, phase="train")
    assert {layer: net.layer(layer).parameters[0].shape for layer in WEIGHTS[name]} == WEIGHTS[name]


@pytest.mark.parametrize("name", STARTS)
def test_weights_start_as_published(name):
    layers = [layer for layer in netdef.load(name).layers if layer.parameters]
    fillers = [[parameter.filler for parameter in layer.parameters] for layer in layers]
    stds = [weights.std if weights.type == "gaussian" else None for weights, _ in fillers]
    assert (stds, [biases.value if biases else 0 for _, biases in fillers]) == (
        [std and pytest.approx(std) for std in STARTS[name][0]],
        [pytest.approx(bias) for bias in STARTS[name][1]],
    )
    assert {weights.type for weights, _ in fillers} == ({"xavier"} if name == "lenet" else {"gaussian"})


def test_googlenets_weights_start_as_published():
    for layer in netdef.load("googlenet", phase="train").layers:
        if layer.parameters:
            weights, biases = (parameter.filler for parameter in layer.parameters)
            assert weights.type == "xavier"
            assert (biases.value if biases else 0) == pytest.approx(0 if layer.name.endswith("classifier") else 0.2)


@pytest.mark.parametrize("name", TOTALS)
def test_biases_learn_twice_as_fast_and_do_not_decay(name):
    net = netdef.load(name, phase="train")
    rates = {tuple((p.lr_mult, p.decay_mult) for p in layer.parameters) for layer in net.layers if layer.parameters}
    decays = name not in ("lenet", "cifar10_relu", "cifar10_tanh")  # Caffe's examples say nothing of decay
    assert rates == {((1, 1), (1 if name == "alexnet_tf" else 2, 0 if decays else 1))}


def test_one_tower_is_half_of_alexnet_but_for_conv5():
    both, one = netdef.load("alexnet"), netdef.load("alexnet_one_tower")
    halves = [a.num_output / b.num_output for a, b in zip(convolutions(one), convolutions(both), strict=True)]
    assert halves == [0.5, 0.5, 0.5, 0.5, 1]
    assert set(towers(one).values()) == {1}


def test_six_conv_adds_one_convolution_after_the_last_pooling_layer():
    net = netdef.load("alexnet_six_conv")
    assert len(convolutions(net)) == 6
    assert net.layer("conv6").bottoms[0].producer.name == "pool5"
    assert set(net.blobs) - set(netdef.load("alexnet").blobs) == {"conv6"}


def test_the_order_of_normalisation_and_pooling():
    nets = {name: netdef.load(name) for name in TOTALS}
    after = {name: net.layer("norm1").bottoms[0].producer.type for name, net in nets.items() if "norm1" in net.blobs}
    pooled_first = {name for name, before in after.items() if before == "Pooling"}
    assert pooled_first == {"bvlc_reference_caffenet", "caffenet", "zfnet"}
    assert {name for name, before in after.items() if before == "Convolution"} == {"alexnet_tf"}


def test_groups_of_the_caffenets():
    assert [layer.group for layer in convolutions(netdef.load("bvlc_reference_caffenet"))] == [1, 2, 1, 2, 2]
    assert [layer.group for layer in convolutions(netdef.load("caffenet_norm_first"))] == [1] * 5
    biases = [layer.parameters[1].filler.value for layer in netdef.load("bvlc_reference_caffenet").layers if layer.parameters]
    assert biases == [0, 1, 0, 1, 1, 1, 1, 0]


def test_tensorflows_normalisation():
    net = netdef.load("alexnet_tf")
    for name in ("norm1", "norm2"):
        layer = net.layer(name)
        assert (layer.size, layer.k, layer.beta, layer.group) == (5, 1, 0.75, 1)  # a radius of 2, bias 1
        assert layer.alpha / layer.size == pytest.approx(1e-5)  # TensorFlow does not divide


def test_googlenet_has_its_auxiliary_classifiers_in_training():
    net = netdef.load("googlenet", phase="train")
    assert net.totals.parameters == 13_378_280
    weights = {layer.name: layer.loss_weights for layer in net.layers if layer.is_loss}
    assert weights == {"loss1/loss": (pytest.approx(0.3),), "loss2/loss": (pytest.approx(0.3),), "loss3/loss3": (1,)}
    ratios = {layer.name: layer.ratio for layer in net.layers if layer.type == "Dropout"}
    assert ratios == pytest.approx({"loss1/drop_fc": 0.7, "loss2/drop_fc": 0.7, "pool5/drop_7x7_s1": 0.4})
    assert [layer.name for layer in net.layers if layer.type == "Concat"] == [
        f"inception_{module}/output" for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    ]


def test_the_cifar_nets_differ_in_their_activations_alone():
    relu, tanh = (netdef.load(f"cifar10_{name}", phase="train") for name in ("relu", "tanh"))
    changed = []
    for a, b in zip(relu.layers, tanh.layers, strict=True):
        if a.message != b.message:
            changed.append((a.type, b.type))
            assert list(a.message.bottom) == list(b.message.bottom)
    assert changed == [("ReLU", "TanH")] * 3


def test_vgg_has_as_many_layers_with_weights_as_it_says():
    for depth in (16, 19):
        net = netdef.load(f"vgg{depth}")
        assert sum(bool(layer.parameters) for layer in net.layers) == depth
        assert {(layer.kernel, layer.stride, layer.pad) for layer in convolutions(net)} == {((3, 3), (1, 1), (1, 1))}
