"""The nets of the zoo run forward and backward; those that are large do so with small images or few neurons."""

import numpy as np
import pytest

import netdef
import runtime
from netdef.language.find import model_names
from tests.marks import of_release, slow_except

NAMES = model_names()

# Longer than three seconds on two cores.
COMPILE_LONG = {"densenet121", "resnet152"}

# More of the same blocks as in resnet50 and vgg16: that their text is right their shapes show (test_zoo), and compiling.
LONGER = ("resnet101", "resnet152", "vgg19")

FEW = {"fc6.num_output": 32, "fc7.num_output": 32}
CROP_32, CROP_64 = ({"data.transform_param.crop_size": side} for side in (32, 64))
RESNET = {**CROP_64, "pool5.kernel_size": 2}  # of the 2 x 2 that 64 x 64 becomes
FCN = {
    **FEW,
    **{f"conv{stage}_{layer}.num_output": 8 for stage in (1, 2, 3, 4, 5) for layer in (1, 2)},
    **{f"conv{stage}_3.num_output": 8 for stage in (3, 4, 5)},
    "data.shape.0.dim": [2, 3, 24, 40],
    "label.shape.0.dim": [2, 1, 24, 40],
    "score_fr.weight_filler.type": "xavier",  # from zero, as the paper has it, no gradient reaches what is below
}
SSD = {
    **{f"conv{stage}_{layer}.num_output": 8 for stage in (1, 2, 3, 4, 5, 6, 7, 8, 9) for layer in (1, 2)},
    **{f"conv{stage}_3.num_output": 8 for stage in (3, 4, 5)},
    **dict.fromkeys(FEW, 8),
}
RCNN = {**FEW, "data.shape.0.dim": [2, 3, 64, 96]}
TARGETS = {"rpn_labels.shape.0.dim": [2, 1, 36, 6]} | {
    f"rpn_bbox_{name}.shape.0.dim": [2, 36, 4, 6] for name in ("targets", "inside_weights", "outside_weights")
}
VGG_OF_8 = {name: 8 for name in SSD if name.startswith(("conv1", "conv2", "conv3", "conv4", "conv5"))}
SMALL = {
    "fast_rcnn_caffenet": RCNN,
    "faster_rcnn_vgg16": {**RCNN, **TARGETS, **VGG_OF_8},
    "densenet121": CROP_64,
    "fcn32s": FCN,
    "fcn8s": FCN,
    "inception_v3": {"data.transform_param.crop_size": 139},
    "lrcn": {**FEW, "data.shape.0.dim": [2, 3, 227, 227], "sentence.shape.0.dim": [5, 2]},
    "mobilenet": CROP_64,
    "mobilenet_v2": CROP_64,
    "resnet101": RESNET,
    "resnet152": RESNET,
    "resnet18": RESNET,
    "resnet50": RESNET,
    "resnext50": CROP_64,
    "ssd300_vgg16": SSD,
    "squeezenet_v1.0": {"data.transform_param.crop_size": 67},
    "squeezenet_v1.1": {"data.transform_param.crop_size": 67},
    "vgg16": {**FEW, **CROP_32},
    "vgg19": {**FEW, **CROP_32},
}
CLASSES = {
    **dict.fromkeys(("cifar10_relu", "cifar10_tanh", "lenet"), 10),
    **dict.fromkeys(("fcn32s", "fcn8s"), 21),
    **dict.fromkeys(("mtcnn_onet", "mtcnn_pnet", "mtcnn_rnet"), 2),
    "lrcn": 8801,
    **dict.fromkeys(("fast_rcnn_caffenet", "faster_rcnn_vgg16"), 21),
}
FULL = {"lrcn": {"data.shape.0.dim": [2, 3, 227, 227], "sentence.shape.0.dim": [20, 2]}}  # time is first, images second


def cases(long):
    return [pytest.param(name, marks=pytest.mark.slow) if name in long else name for name in NAMES]


def small(name, phase):
    """A net at batch 2, with few neurons in the layers that hold most of its weights."""
    layers = {layer.name for layer in netdef.load(name).layers}
    overrides = SMALL.get(name, FEW if "fc6" in layers else {})
    return netdef.load(name, phase=phase, overrides=overrides, batch_size=None if name == "lrcn" else 2)


def inputs(net, name):
    """Values for all that a net reads: noise for images, of a spread that its scale leaves, classes for labels."""
    draws = np.random.default_rng(1)
    blobs = {top.name: top.shape for layer in net.layers if layer.is_source for top in layer.tops}
    values = {}
    for blob, shape in blobs.items():
        if blob == "label" and name.startswith("ssd"):
            values[blob] = true_boxes(shape)
        elif blob == "rois":
            values[blob] = np.array([[0, 3, 5, 60, 50], [1, 0, 0, 90, 40]], np.float32)
        elif blob == "rpn_labels":
            values[blob] = draws.integers(-1, 2, shape).astype("f4")
        elif blob in ("label", "labels", "sim", "target_sentence", "input_sentence"):
            values[blob] = draws.integers(0, 2 if blob == "sim" else CLASSES.get(name, 1000), shape).astype("f4")
        elif blob == "cont_sentence":
            values[blob] = np.float32(np.arange(shape[0]) > 0)[:, None].repeat(shape[1], 1)
        else:
            scale = net.layers[0].message.transform_param.scale
            images = blob == "data" and scale == 1 and not name.startswith("mtcnn")
            values[blob] = draws.standard_normal(shape, dtype="f4") * (50 if images else 1)
    if "mnist" in name:
        values["data" if "data" in values else "pair_data"] = draws.random(blobs.get("data", blobs.get("pair_data")), dtype="f4")
    return values


def true_boxes(shape):
    """Boxes in the middle of both images, of sizes that each map has priors for; rows that are left over have image -1."""
    rows = np.full(shape, -1, np.float32)
    for index, size in enumerate([0.12, 0.25, 0.42, 0.6, 0.78, 0.95] * 2):
        rows[..., index, :] = (index % 2, 1 + index, 0, 0.5 - size / 2, 0.5 - size / 2, 0.5 + size / 2, 0.5 + size / 2, 0)
    return rows


def guessing(net, name):
    """What the losses of classes come to for a net that guesses."""
    total = 0
    for layer in net.layers:
        if layer.type == "SoftmaxWithLoss":
            predictions = 1 if layer.normalization == "VALID" else np.prod(layer.bottoms[1].shape[1:])
            total += layer.loss_weights[0] * np.log(CLASSES.get(name, 1000)) * predictions
    return total


@pytest.mark.parametrize("name", [*slow_except("lenet", [name for name in NAMES if name not in LONGER]), *of_release(LONGER)])
def test_it_trains(name):
    exe = runtime.compile(small(name, "train"), losses_only=True, seed=3)
    losses = exe.forward(**inputs(exe.net, name))
    assert all(np.isfinite(value) for value in losses.values())
    classified = [layer for layer in exe.net.layers if layer.type == "SoftmaxWithLoss"]
    if classified:
        weighted = sum(float(losses[str(layer.tops[0])]) * layer.loss_weights[0] for layer in classified)
        expected = guessing(exe.net, name)
        assert 0.3 * expected < weighted < 6 * expected  # untrained: about as good as guessing
    exe.backward()
    for parameter in exe.net.parameters:
        if parameter.lr_mult:
            gradient = exe.param_grad(parameter.layer.name, parameter.index)
            assert np.isfinite(gradient).all()
            assert parameter.index or gradient.any(), f"no gradient reaches {parameter}"


@pytest.mark.slow
@pytest.mark.parametrize("name", cases(COMPILE_LONG))
def test_it_compiles_at_full_size_in_both_phases(name):
    for phase in ("train", "test"):
        net = netdef.load(name, phase=phase, overrides=FULL.get(name), batch_size=None if name in FULL else 2)
        program = runtime.compile_program(net, backward=phase == "train")
        assert program.plan is not None
        assert {one.layer for one in program.forward} >= {layer.name for layer in net.layers if layer.parameters}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "solver", "batch", "iterations", "most"),
    [
        ("lenet", "lenet_solver", 32, 30, 1.6),
        ("cifar10_relu", "cifar10_solver", 25, 40, 2.25),
        ("cifar10_tanh", "cifar10_solver", 25, 40, 2.25),
    ],
)
def test_it_learns_what_comes_with_netdef(net, solver, batch, iterations, most, tmp_path):
    """From ln 10 = 2.3, without a download."""
    trained = runtime.Solver(solver, net, out=tmp_path, max_iter=iterations, batch_size=batch)
    losses = [trained.step(1) for _ in range(iterations)]
    trained.close()
    assert np.mean(losses[-5:]) < most < losses[0]
