"""The shapes of every reference net, blobs and parameters, against what Caffe 1.0 made of it."""

import numpy
import pytest

import netdef
from netdef.layers import LAYERS
from tests.paths import TESTS

GOLDENS = sorted((TESTS / "goldens" / "layers").glob("*.npz"))

# What src/caffe registers with REGISTER_LAYER_CLASS and REGISTER_LAYER_CREATOR.
CAFFE = {
    "AbsVal", "Accuracy", "ArgMax", "BNLL", "BatchNorm", "BatchReindex", "Bias", "Clip", "Concat", "ContrastiveLoss",
    "Convolution", "Crop", "Data", "Deconvolution", "Dropout", "DummyData", "ELU", "Eltwise", "Embed", "EuclideanLoss", "Exp",
    "Filter", "Flatten", "HDF5Data", "HDF5Output", "HingeLoss", "Im2col", "ImageData", "InfogainLoss", "InnerProduct",
    "Input", "LRN", "LSTM", "LSTMUnit", "Log", "MVN", "MemoryData", "MultinomialLogisticLoss", "PReLU", "Parameter",
    "Pooling", "Power", "Python", "RNN", "ReLU", "Reduction", "Reshape", "SPP", "Scale", "Sigmoid", "SigmoidCrossEntropyLoss",
    "Silence", "Slice", "Softmax", "SoftmaxWithLoss", "Split", "Swish", "TanH", "Threshold", "Tile", "WindowData",
}  # fmt: skip
WITHOUT_RESULTS = {
    # sources and sinks
    "Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "MemoryData", "Parameter", "Silence", "WindowData",
    # what only Caffe itself puts in, and what depends on values or on the user's code
    "Split", "LSTMUnit", "Filter", "Python",
}  # fmt: skip


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_shapes_are_those_of_caffe(path):
    golden = numpy.load(path)
    net = netdef.parse(str(golden["prototxt"]), path.stem, phase=str(golden["phase"]).lower())
    tops = {name[4:]: golden[name].shape for name in golden.files if name.startswith("out_")}
    assert {name: net.blobs[name].shape for name in tops} == tops
    blobs = [name for name in golden.files if name.startswith("param_") and name[6:].isdigit()]
    assert [p.shape for p in net.layer("op").parameters] == [golden[name].shape for name in sorted(blobs)]
    assert net.totals.macs >= 0


def test_every_type_of_caffe_has_a_golden_if_its_results_can_be_stored():
    types = {layer.type for path in GOLDENS for layer in netdef.parse(str(numpy.load(path)["prototxt"]), path.stem).layers}
    assert CAFFE - types == WITHOUT_RESULTS
    assert len(GOLDENS) >= 80


def test_every_type_of_caffe_is_declared():
    assert set(LAYERS) >= CAFFE
