"""The weights of the zoo's nets have the shapes, the starts and the rates that their papers and published models have."""

import pytest

from netdef.language.find import model_names
from tests.models.loaded import load

WEIGHTS = {  # what a published .caffemodel holds, by layer
    "bvlc_reference_caffenet": {
        "conv1": (96, 3, 11, 11), "conv2": (256, 48, 5, 5), "conv3": (384, 256, 3, 3), "conv4": (384, 192, 3, 3),
        "conv5": (256, 192, 3, 3), "fc6": (4096, 9216), "fc7": (4096, 4096), "fc8": (1000, 4096),
    },
    "densenet121": {
        "conv1": (64, 3, 7, 7), "conv2_1/x1": (128, 64, 1, 1), "conv5_16/x2": (32, 128, 3, 3), "conv4_blk": (512, 1024, 1, 1),
        "conv5_blk/bn": (1024,), "fc6": (1000, 1024, 1, 1),
    },
    "fcn32s": {"conv1_1": (64, 3, 3, 3), "fc6": (4096, 512, 7, 7), "fc7": (4096, 4096, 1, 1), "score_fr": (21, 4096, 1, 1)},
    "fcn8s": {"score_pool4": (21, 512, 1, 1), "score_pool3": (21, 256, 1, 1)},
    "googlenet": {
        "conv1/7x7_s2": (64, 3, 7, 7), "conv2/3x3": (192, 64, 3, 3), "inception_3a/5x5": (32, 16, 5, 5),
        "inception_4d/3x3_reduce": (144, 512, 1, 1), "inception_5b/pool_proj": (128, 832, 1, 1), "loss3/classifier": (1000, 1024),
        "loss1/conv": (128, 512, 1, 1), "loss1/fc": (1024, 2048), "loss2/conv": (128, 528, 1, 1), "loss2/classifier": (1000, 1024),
    },
    "inception_v3": {
        "conv1_3x3_s2": (32, 3, 3, 3), "inception_a1_5x5": (64, 48, 5, 5), "inception_b1_1x7": (128, 128, 1, 7),
        "inception_b4_7x1": (192, 192, 7, 1), "inception_c2_3x1_2": (384, 384, 3, 1), "classifier": (1000, 2048),
    },
    "lenet": {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "ip1": (500, 800), "ip2": (10, 500)},
    "lrcn": {"fc8": (1000, 4096), "embedding": (8801, 1000), "lstm1": (4000, 1000), "lstm2": (4000, 1000), "predict": (8801, 1000)},
    "mobilenet": {"conv1": (32, 3, 3, 3), "conv5_6/dw": (512, 1, 3, 3), "conv6/sep": (1024, 1024, 1, 1), "fc7": (1000, 1024, 1, 1)},
    "mobilenet_v2": {"conv2_1/expand": (32, 32, 1, 1), "conv6_3/dwise": (960, 1, 3, 3), "conv6_4": (1280, 320, 1, 1)},
    "mtcnn_onet": {"conv1": (32, 3, 3, 3), "prelu1": (32,), "conv5": (256, 1152), "prelu5": (256,), "conv6-3": (10, 256)},
    "mtcnn_pnet": {"conv1": (10, 3, 3, 3), "PReLU1": (10,), "conv3": (32, 16, 3, 3), "conv4-2": (4, 32, 1, 1)},
    "fast_rcnn_caffenet": {"conv2": (256, 48, 5, 5), "fc6": (4096, 9216), "cls_score": (21, 4096), "bbox_pred": (84, 4096)},
    "faster_rcnn_vgg16": {
        "rpn_conv/3x3": (512, 512, 3, 3), "rpn_bbox_pred": (36, 512, 1, 1), "fc6": (4096, 25088), "bbox_pred": (84, 4096),
    },
    "ssd300_vgg16": {
        "conv4_3_norm": (512,), "fc6": (1024, 512, 3, 3), "conv6_2": (512, 256, 3, 3), "conv9_2": (256, 128, 3, 3),
        "fc7_mbox_loc": (24, 1024, 3, 3), "conv4_3_norm_mbox_conf": (84, 512, 3, 3), "conv9_2_mbox_conf": (84, 256, 3, 3),
    },
    "mtcnn_rnet": {"conv3": (64, 48, 2, 2), "conv4": (128, 576), "prelu4": (128,), "conv5-2": (4, 128)},
    "nin": {"conv1": (96, 3, 11, 11), "cccp1": (96, 96, 1, 1), "conv4-1024": (1024, 384, 3, 3), "cccp8-1024": (1000, 1024, 1, 1)},
    "resnet50": {
        "conv1": (64, 3, 7, 7), "bn_conv1": (64,), "scale_conv1": (64,), "res2a_branch1": (256, 64, 1, 1),
        "res4f_branch2b": (256, 256, 3, 3), "bn4f_branch2b": (256,), "scale5c_branch2c": (2048,), "fc1000": (1000, 2048),
    },
    "resnet101": {"res3b3_branch2c": (512, 128, 1, 1), "res4b22_branch2b": (256, 256, 3, 3), "bn4b22_branch2b": (256,)},
    "resnet152": {"res3b7_branch2c": (512, 128, 1, 1), "res4b35_branch2b": (256, 256, 3, 3), "scale4b35_branch2c": (1024,)},
    "resnext50": {"conv1": (64, 3, 7, 7), "resx1_conv2": (128, 4, 3, 3), "resx4_match_conv": (512, 256, 1, 1)},
    "squeezenet_v1.0": {"conv1": (96, 3, 7, 7), "fire9/expand3x3": (256, 64, 3, 3), "conv10": (1000, 512, 1, 1)},
    "squeezenet_v1.1": {"conv1": (64, 3, 3, 3), "fire2/squeeze1x1": (16, 64, 1, 1), "conv10": (1000, 512, 1, 1)},
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


# The types of weight fillers, where layers are too many to be listed. Those of He's and soeaver's models, which are published as
# trained nets alone, are the papers' own.
FILLERS = {
    "densenet121": {"msra"},
    "fcn32s": {"xavier", "constant", "bilinear"},  # the scores start at zero
    "fcn8s": {"xavier", "constant", "bilinear"},
    "inception_v3": {"xavier"},
    "lrcn": {"gaussian", "uniform"},
    "mnist_autoencoder": {"gaussian"},
    "mnist_siamese": {"xavier"},
    "mobilenet": {"msra"},
    "mobilenet_v2": {"msra"},
    "mtcnn_onet": {"xavier"},
    "mtcnn_pnet": {"xavier"},
    "mtcnn_rnet": {"xavier"},
    "resnet101": {"msra"},
    "resnet152": {"msra"},
    "resnet18": {"msra"},
    "resnet50": {"msra"},
    "resnext50": {"msra"},
    "squeezenet_v1.0": {"xavier", "gaussian"},  # conv10 of a deviation of 0.01
    "squeezenet_v1.1": {"xavier", "gaussian"},
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_published_weights_fit(name):
    net = load(name, phase="train")
    assert {layer: net.layer(layer).parameters[0].shape for layer in WEIGHTS[name]} == WEIGHTS[name]


@pytest.mark.parametrize("name", STARTS)
def test_weights_start_as_published(name):
    layers = [layer for layer in load(name).layers if layer.parameters]
    fillers = [[parameter.filler for parameter in layer.parameters] for layer in layers]
    stds = [weights.std if weights.type == "gaussian" else None for weights, _ in fillers]
    assert (stds, [biases.value if biases else 0 for _, biases in fillers]) == (
        [std and pytest.approx(std) for std in STARTS[name][0]],
        [pytest.approx(bias) for bias in STARTS[name][1]],
    )
    assert {weights.type for weights, _ in fillers} == ({"xavier"} if name == "lenet" else {"gaussian"})


@pytest.mark.parametrize("name", FILLERS)
def test_fillers(name):
    weights = [layer.parameters[0] for layer in load(name, phase="train").layers if layer.parameters]
    learned = [parameter for parameter in weights if len(parameter.shape) > 1]
    assert {parameter.filler.type for parameter in learned} == FILLERS[name]
    spreads = {parameter.layer.name: parameter.filler.std for parameter in learned if parameter.filler.type == "gaussian"}
    if name.startswith("squeezenet"):
        assert spreads == {"conv10": pytest.approx(0.01)}
    if name == "lrcn":
        assert spreads == pytest.approx({**{f"conv{i}": 0.01 for i in (1, 2, 3, 4, 5)}, "fc6": 0.005, "fc7": 0.005, "fc8": 0.01})
    if name == "mnist_autoencoder":
        assert {(parameter.filler.std, parameter.filler.sparse) for parameter in learned} == {(1, 15)}


def test_googlenets_weights_start_as_published():
    for layer in load("googlenet", phase="train").layers:
        if layer.parameters:
            weights, biases = (parameter.filler for parameter in layer.parameters)
            assert weights.type == "xavier"
            assert (biases.value if biases else 0) == pytest.approx(0 if layer.name.endswith("classifier") else 0.2)


# Of weights and biases, where biases do not learn twice as fast without decay: (lr_mult, decay_mult) of both.
RATES = {
    **{key: {((0, 0), (0, 0)), ((1, 1), (2, 1))} for key in ("fast_rcnn_caffenet", "faster_rcnn_vgg16")},
    "alexnet_tf": {((1, 1), (1, 0))},
    "cifar10_relu": {((1, 1), (2, 1))},  # this and others say nothing of decay
    "cifar10_tanh": {((1, 1), (2, 1))},
    "lenet": {((1, 1), (2, 1))},
    "lrcn": {((0, 1), (0, 1)), ((0.1, 1), (0.2, 0)), ((1, 1), (2, 0))},
    "mnist_autoencoder": {((1, 1), (1, 0))},
    "mnist_siamese": {((1, 1), (2, 1))},
    "resnet50": {((1, 1), (1, 1)), ((1, 1), (2, 0))},  # the biases of conv1, which its BatchNorm takes away again
    "squeezenet_v1.0": {((1, 1), (1, 1))},
    "squeezenet_v1.1": {((1, 1), (1, 1))},
}


@pytest.mark.parametrize("name", model_names())
def test_biases_learn_at_their_rates(name):
    net = load(name, phase="train")
    biased = [layer for layer in net.layers if layer.type in ("Convolution", "InnerProduct") and len(layer.parameters) == 2]
    rates = {tuple((p.lr_mult, p.decay_mult) for p in layer.parameters) for layer in biased}
    expected = RATES.get(name, {((1, 1), (2, 0))})
    assert sorted(rates) == [tuple(map(pytest.approx, pair)) for pair in sorted(expected)]
