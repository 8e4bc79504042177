"""The nets of the zoo have the shapes, parameters and multiply-accumulates that their papers and published models have."""

import re

import pytest

import netdef
from netdef.graph.layer import LAYERS
from netdef.graph.towers import towers
from netdef.language.find import model_names, models_folder
from netdef.language.units import decimal
from netdef.shapes import GEMM_KINDS
from tests.models.loaded import load

# Parameters, and the multiply-accumulates of one image in convolutions and inner products, in testing.
#
# Published: AlexNet, CaffeNet, GoogLeNet, VGG, NIN, ZFNet: the papers. ResNet-18, 50, 101 and 152, ResNeXt-50 (32x4d),
# DenseNet-121, Inception v3, SqueezeNet 1.0 and 1.1: the tables of torchvision's models, which agree but for what the comment
# of a file says, and for the multiply-accumulates of SqueezeNet, whose Caffe models pad other layers. MobileNet: Keras
# (4,231,976 learned, 21,888 not) and 569 M in the paper. FCN: "134 M" in the paper's first table. MTCNN, LRCN and the MNIST
# nets: their published prototxt files.
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
    "densenet121": (7_978_856, 2_834_161_664),
    "fcn32s": (134_346_581 + 21 * 64**2, 180_925_453_056),
    "fcn8s": (134_346_581 + 21 * (512 + 256 + 2) + 21 * (4**2 + 4**2 + 16**2), 180_992_697_408),
    "googlenet": (6_998_552, 1_582_671_872),
    "inception_v3": (23_834_568, 5_713_216_096),
    "lenet": (431_080, 2_293_000),
    "lrcn": (60_965_224 + 37_618_801, 724_406_816 + 100 * 28_801_000),  # one word of each of the 100 captions of a batch
    "mnist_autoencoder": (2_837_314, 2_833_000),
    "mnist_siamese": (431_080 + 22, 2 * (2_293_000 + 20)),
    "mobilenet": (4_231_976, 568_740_352),
    "mobilenet_v2": (3_504_872 + 1_088, 429_111_936),
    "mtcnn_onet": (389_040, 12_909_952),
    "mtcnn_pnet": (6_632, 44_760),
    "mtcnn_rnet": (100_178, 1_530_768),
    "nin": (7_595_176, 1_100_188_800),
    "resnet101": (44_549_160, 7_570_194_432),
    "resnet152": (60_192_808, 11_282_415_616),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet50": (25_557_032 + 64, 3_857_973_248),
    "resnext50": (25_028_904, 4_230_479_872),
    "squeezenet_v1.0": (1_248_424, 861_339_936),
    "squeezenet_v1.1": (1_235_496, 387_747_520),
    "ssd300_vgg16": (26_285_486, 31_373_537_792),
    "fast_rcnn_caffenet": (57_298_409, 7_417_878_016),
    "faster_rcnn_vgg16": (137_078_239, 151_642_988_544),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "zfnet": (62_357_608, 1_168_032_896),
}

# Running means and variances, which Keras (MobileNet, ResNet-50, DenseNet-121, Inception v3) counts as not trainable.
STATISTICS = {
    "densenet121": 83_648,
    "inception_v3": 34_432,
    "mobilenet": 21_888,
    "mobilenet_v2": 34_112 + 64,
    "resnet101": 105_344,
    "resnet152": 151_424,
    "resnet18": 9_600,
    "resnet50": 53_120,
    "resnext50": 68_224,
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
    "densenet121": {
        "conv1": (64, 112, 112), "pool1": (64, 56, 56), "concat_2_6": (256, 56, 56), "pool2": (128, 28, 28),
        "concat_3_12": (512, 28, 28), "pool3": (256, 14, 14), "concat_4_24": (1024, 14, 14), "pool4": (512, 7, 7),
        "concat_5_16": (1024, 7, 7), "fc6": (1000, 1, 1),
    },
    "fcn32s": {
        "conv1_1": (64, 698, 698), "pool5": (512, 22, 22), "fc7": (4096, 16, 16), "upscore": (21, 544, 544),
        "score": (21, 500, 500),
    },
    "fcn8s": {
        "upscore2": (21, 34, 34), "score_pool4": (21, 44, 44), "score_pool4c": (21, 34, 34), "upscore_pool4": (21, 70, 70),
        "score_pool3": (21, 88, 88), "score_pool3c": (21, 70, 70), "upscore8": (21, 568, 568), "score": (21, 500, 500),
    },
    "googlenet": {
        "conv1/7x7_s2": (64, 112, 112), "pool1/norm1": (64, 56, 56), "conv2/norm2": (192, 56, 56), "pool2/3x3_s2": (192, 28, 28),
        "inception_3a/output": (256, 28, 28), "inception_3b/output": (480, 28, 28), "pool3/3x3_s2": (480, 14, 14),
        "inception_4a/output": (512, 14, 14), "inception_4b/output": (512, 14, 14), "inception_4c/output": (512, 14, 14),
        "inception_4d/output": (528, 14, 14), "inception_4e/output": (832, 14, 14), "pool4/3x3_s2": (832, 7, 7),
        "inception_5a/output": (832, 7, 7), "inception_5b/output": (1024, 7, 7), "pool5/7x7_s1": (1024, 1, 1),
    },
    "inception_v3": {
        "conv3_3x3_s1": (64, 147, 147), "pool1_3x3_s2": (64, 73, 73), "conv4_3x3": (192, 71, 71), "pool2_3x3_s2": (192, 35, 35),
        "inception_a1_output": (256, 35, 35), "inception_a3_output": (288, 35, 35), "reduction_a_concat": (768, 17, 17),
        "inception_b4_concat": (768, 17, 17), "reduction_b_concat": (1280, 8, 8), "inception_c2_concat": (2048, 8, 8),
    },
    "lenet": {"conv1": (20, 24, 24), "pool1": (20, 12, 12), "conv2": (50, 8, 8), "pool2": (50, 4, 4), "ip1": (500,), "ip2": (10,)},
    "lrcn": {
        "pool5": (256, 6, 6), "fc8": (1000,), "embedded_input_sentence": (100, 1000), "lstm2": (100, 1000), "predict": (100, 8801),
    },
    "mnist_autoencoder": {"encode1": (1000,), "encode4": (30,), "decode1": (784,)},
    "mnist_siamese": {"data": (1, 28, 28), "data_p": (1, 28, 28), "feat": (2,), "feat_p": (2,)},
    "mobilenet": {
        "conv1": (32, 112, 112), "conv2_2/sep": (128, 56, 56), "conv3_2/sep": (256, 28, 28), "conv4_2/sep": (512, 14, 14),
        "conv6/sep": (1024, 7, 7), "fc7": (1000, 1, 1),
    },
    "mobilenet_v2": {
        "conv2_1/linear": (16, 112, 112), "conv2_2/linear": (24, 56, 56), "conv4_2/linear": (32, 28, 28),
        "conv4_7/linear": (96, 14, 14), "conv6_3/linear": (320, 7, 7), "conv6_4": (1280, 7, 7),
    },
    "mtcnn_onet": {"pool1": (32, 23, 23), "pool2": (64, 10, 10), "pool3": (64, 4, 4), "conv4": (128, 3, 3), "conv6-3": (10,)},
    "mtcnn_pnet": {"pool1": (10, 5, 5), "conv3": (32, 1, 1), "conv4-1": (2, 1, 1), "conv4-2": (4, 1, 1)},
    "fast_rcnn_caffenet": {"conv5": (256, 39, 51), "pool5": (256, 6, 6), "fc7": (4096,), "bbox_pred": (84,), "cls_prob": (21,)},
    "faster_rcnn_vgg16": {
        "conv5_3": (512, 38, 50), "rpn_cls_score": (18, 38, 50), "rpn_cls_score_reshape": (2, 342, 50), "rois": (5,),
        "pool5": (512, 7, 7), "bbox_pred": (84,), "cls_prob": (21,),
    },
    "ssd300_vgg16": {
        "conv4_3": (512, 38, 38), "fc7": (1024, 19, 19), "conv6_2": (512, 10, 10), "conv7_2": (256, 5, 5), "conv8_2": (256, 3, 3),
        "conv9_2": (256, 1, 1), "mbox_loc": (8732 * 4,), "mbox_conf": (8732 * 21,), "mbox_priorbox": (2, 8732 * 4),
        "detection_out": (1, 200, 7),
    },
    "mtcnn_rnet": {"pool1": (28, 11, 11), "pool2": (48, 4, 4), "conv3": (64, 3, 3), "conv5-1": (2,), "conv5-2": (4,)},
    "nin": {
        "conv1": (96, 54, 54), "pool0": (96, 27, 27), "pool2": (256, 13, 13), "pool3": (384, 6, 6), "cccp8": (1000, 6, 6),
        "pool4": (1000, 1, 1),
    },
    "resnet18": {"res2b": (64, 56, 56), "res3b": (128, 28, 28), "res4b": (256, 14, 14), "res5b": (512, 7, 7)},
    "resnet50": {
        "conv1": (64, 112, 112), "pool1": (64, 56, 56), "res2c": (256, 56, 56), "res3d": (512, 28, 28), "res4f": (1024, 14, 14),
        "res5c": (2048, 7, 7), "pool5": (2048, 1, 1),
    },
    "resnet101": {"res2c": (256, 56, 56), "res3b3": (512, 28, 28), "res4b22": (1024, 14, 14), "res5c": (2048, 7, 7)},
    "resnet152": {"res2c": (256, 56, 56), "res3b7": (512, 28, 28), "res4b35": (1024, 14, 14), "res5c": (2048, 7, 7)},
    "resnext50": {
        "pool1": (64, 56, 56), "resx3_elewise": (256, 56, 56), "resx7_elewise": (512, 28, 28), "resx13_elewise": (1024, 14, 14),
        "resx16_elewise": (2048, 7, 7),
    },
    "squeezenet_v1.0": {
        "conv1": (96, 111, 111), "pool1": (96, 55, 55), "fire4/concat": (256, 55, 55), "pool4": (256, 27, 27),
        "pool8": (512, 13, 13), "conv10": (1000, 15, 15), "pool10": (1000, 1, 1),
    },
    "squeezenet_v1.1": {
        "conv1": (64, 113, 113), "pool1": (64, 56, 56), "pool3": (128, 28, 28), "pool5": (256, 14, 14), "conv10": (1000, 14, 14),
    },
    "vgg16": {"conv1_2": (64, 224, 224), "conv3_3": (256, 56, 56), "conv5_3": (512, 14, 14), "pool5": (512, 7, 7), "fc6": (4096,)},
    "vgg19": {"conv3_4": (256, 56, 56), "conv4_4": (512, 28, 28), "conv5_4": (512, 14, 14), "pool5": (512, 7, 7)},
    "zfnet": {
        "conv1": (96, 110, 110), "pool1": (96, 55, 55), "conv2": (256, 26, 26), "pool2": (256, 13, 13), "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
    },
}  # fmt: skip


def gemm_macs(net):
    return sum(layer.macs for layer in net.layers if LAYERS[layer.type].kind in GEMM_KINDS)


def convolutions(net):
    return [layer for layer in net.layers if layer.type == "Convolution"]


def test_every_model_is_in_these_tables():
    assert set(TOTALS) == set(model_names())


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    net = load(name, phase="test")
    assert (net.totals.parameters, gemm_macs(net)) == TOTALS[name]
    assert net.totals.statistics == STATISTICS.get(name, 0)


# What a net makes in testing beside its losses, where it is not `prob`.
RESULTS = {
    "lrcn": "probs",
    "mnist_autoencoder": "l2_error",
    "mnist_siamese": "loss",
    "mtcnn_onet": "prob1",
    "mtcnn_pnet": "prob1",
    "mtcnn_rnet": "prob1",
    "ssd300_vgg16": "detection_out",
    **dict.fromkeys(("fast_rcnn_caffenet", "faster_rcnn_vgg16"), "cls_prob"),
}
OWN_LAYERS = {
    "googlenet",
    "ssd300_vgg16",
    "fast_rcnn_caffenet",
    "faster_rcnn_vgg16",
}  # in training alone: losses, and their targets


@pytest.mark.slow
@pytest.mark.parametrize("name", TOTALS)
def test_training_has_the_same_parameters_and_ends_in_losses(name):
    train, test = load(name, phase="train"), load(name, phase="test")
    auxiliary = {layer.name for layer in train.layers} - {layer.name for layer in test.layers}
    shared = {str(p): p.shape for p in train.parameters if p.layer.name not in auxiliary}
    assert shared == {str(p): p.shape for p in test.parameters}
    assert all(blob.shape == () for blob in train.outputs)
    assert RESULTS.get(name, "prob") in {str(blob) for blob in test.outputs}
    assert bool(auxiliary) == (name in OWN_LAYERS)


@pytest.mark.parametrize("name", TOTALS)
def test_the_file_names_its_source_and_its_numbers(name):
    lines = re.match(r"(#.*\n)+", (models_folder() / f"{name}.net").read_text())
    assert lines
    comment = " ".join(line[1:].strip() for line in lines[0].splitlines()).replace("multiply- ", "multiply-")
    assert re.search(r"paper|Caffe|19\d\d|20\d\d", comment)
    totals = [load(name, phase=phase).totals for phase in ("train", "test")]
    parameters = quoted(r"([\d,]{5,}) parameters", comment)
    assert parameters <= {one.parameters for one in totals}
    assert parameters or name == "bvlc_alexnet"
    assert quoted(r"([\d,]+) running statistics", comment) == ({STATISTICS[name]} if name in STATISTICS else set())
    macs = re.search(r"([\d.]+ [kMG]) multiply-accumulates", comment)
    assert macs is None or macs[1] == decimal(TOTALS[name][1] if name != "lrcn" else 724_406_816)


def quoted(pattern, text):
    return {int(number.replace(",", "")) for number in re.findall(pattern, text)}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    net = load(name)
    assert {blob: net.blobs[blob].shape[1:] for blob in SHAPES[name]} == SHAPES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_no_solvers_and_a_scale_follows(name):
    net = load(name, phase="train")
    normalised = [layer for layer in net.layers if layer.type == "BatchNorm"]
    assert {(p.lr_mult, p.decay_mult) for layer in normalised for p in layer.parameters} == {(0, 0)}
    assert not any(layer.use_global_stats for layer in normalised)
    assert all(layer.use_global_stats for layer in load(name, phase="test").layers if layer.type == "BatchNorm")
    scales = [next(layer for layer in net.layers if layer.bottoms and layer.bottoms[0] is one.tops[0]) for one in normalised]
    assert all(layer.type == "Scale" and layer.bias_term for layer in scales)


def test_fixed_deconvolutions_of_fcn_are_bilinear():
    for name, kernels in {"fcn32s": [64], "fcn8s": [4, 4, 16]}.items():
        up = [layer for layer in load(name, phase="train").layers if layer.type == "Deconvolution"]
        assert [layer.kernel for layer in up] == [(kernel, kernel) for kernel in kernels]
        assert {(layer.parameters[0].filler.type, layer.parameters[0].lr_mult, layer.group) for layer in up} == {
            ("bilinear", 0, 21)
        }
        published = {f"{layer.name}.group": 1 for layer in up}
        full = netdef.load(name, overrides=published)
        assert [full.layer(layer.name).parameters[0].shape for layer in up] == [(21, 21, kernel, kernel) for kernel in kernels]


def test_the_digits_of_a_pair_go_through_the_same_weights():
    net = load("mnist_siamese")
    for layer in net.layers:
        if layer.parameters:
            owners = {parameter.owner.layer.name for parameter in layer.parameters}
            assert owners == {layer.name.removesuffix("_p")}


def test_depths_of_the_resnets():
    for name, depth in {"resnet18": 18, "resnet50": 50, "resnet101": 101, "resnet152": 152, "resnext50": 50}.items():
        shortcuts = 3 if depth == 18 else 4  # with a convolution
        assert sum(layer.type in ("Convolution", "InnerProduct") for layer in load(name).layers) == depth + shortcuts
    assert sum(layer.type in ("Convolution", "InnerProduct") for layer in load("densenet121").layers) == 121


def test_strides_of_he_stand_at_the_first_convolution_of_a_block():
    net = load("resnet50")
    halving = {layer.name for layer in convolutions(net) if layer.stride == (2, 2)}
    assert halving == {"conv1", *(f"res{stage}a_branch{branch}" for stage in (3, 4, 5) for branch in ("1", "2a"))}


def test_one_tower_is_half_of_alexnet_but_for_conv5():
    both, one = load("alexnet"), load("alexnet_one_tower")
    halves = [a.num_output / b.num_output for a, b in zip(convolutions(one), convolutions(both), strict=True)]
    assert halves == [0.5, 0.5, 0.5, 0.5, 1]
    assert set(towers(one).values()) == {1}


def test_six_conv_adds_one_convolution_after_the_last_pooling_layer():
    net = load("alexnet_six_conv")
    assert len(convolutions(net)) == 6
    assert net.layer("conv6").bottoms[0].producer.name == "pool5"
    assert set(net.blobs) - set(load("alexnet").blobs) == {"conv6"}


@pytest.mark.slow
def test_the_order_of_normalisation_and_pooling():
    nets = {name: load(name) for name in TOTALS}
    after = {name: net.layer("norm1").bottoms[0].producer.type for name, net in nets.items() if "norm1" in net.blobs}
    pooled_first = {name for name, before in after.items() if before == "Pooling"}
    assert pooled_first == {"bvlc_reference_caffenet", "caffenet", "fast_rcnn_caffenet", "lrcn", "zfnet"}
    assert {name for name, before in after.items() if before == "Convolution"} == {"alexnet_tf"}


def test_groups_of_the_caffenets():
    assert [layer.group for layer in convolutions(load("bvlc_reference_caffenet"))] == [1, 2, 1, 2, 2]
    assert [layer.group for layer in convolutions(load("caffenet_norm_first"))] == [1] * 5
    biases = [layer.parameters[1].filler.value for layer in load("bvlc_reference_caffenet").layers if layer.parameters]
    assert biases == [0, 1, 0, 1, 1, 1, 1, 0]


def test_tensorflows_normalisation():
    net = load("alexnet_tf")
    for name in ("norm1", "norm2"):
        layer = net.layer(name)
        assert (layer.size, layer.k, layer.beta, layer.group) == (5, 1, 0.75, 1)  # a radius of 2, bias 1
        assert layer.alpha / layer.size == pytest.approx(1e-5)  # TensorFlow does not divide


def test_googlenet_has_its_auxiliary_classifiers_in_training():
    net = load("googlenet", phase="train")
    assert net.totals.parameters == 13_378_280
    weights = {layer.name: layer.loss_weights for layer in net.layers if layer.is_loss}
    assert weights == {"loss1/loss": (pytest.approx(0.3),), "loss2/loss": (pytest.approx(0.3),), "loss3/loss3": (1,)}
    ratios = {layer.name: layer.ratio for layer in net.layers if layer.type == "Dropout"}
    assert ratios == pytest.approx({"loss1/drop_fc": 0.7, "loss2/drop_fc": 0.7, "pool5/drop_7x7_s1": 0.4})
    assert [layer.name for layer in net.layers if layer.type == "Concat"] == [
        f"inception_{module}/output" for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    ]


def test_the_cifar_nets_differ_in_their_activations_alone():
    relu, tanh = (load(f"cifar10_{name}", phase="train") for name in ("relu", "tanh"))
    changed = []
    for a, b in zip(relu.layers, tanh.layers, strict=True):
        if a.message != b.message:
            changed.append((a.type, b.type))
            assert list(a.message.bottom) == list(b.message.bottom)
    assert changed == [("ReLU", "TanH")] * 3


def test_vgg_has_as_many_layers_with_weights_as_it_says():
    for depth in (16, 19):
        net = load(f"vgg{depth}")
        assert sum(bool(layer.parameters) for layer in net.layers) == depth
        assert {(layer.kernel, layer.stride, layer.pad) for layer in convolutions(net)} == {((3, 3), (1, 1), (1, 1))}
