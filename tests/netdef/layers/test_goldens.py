"""The shapes of every reference net, blobs and parameters, against what Caffe 1.0 made of it."""

import numpy
import pytest

import netdef
from netdef.layers import LAYERS
from tests.paths import TESTS

GOLDENS = sorted((TESTS / "goldens" / "layers").glob("*.npz"))


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_shapes_are_those_of_caffe(path):
    golden = numpy.load(path)
    net = netdef.parse(str(golden["prototxt"]), path.stem, phase=str(golden["phase"]).lower())
    tops = {name[4:]: golden[name].shape for name in golden.files if name.startswith("out_")}
    assert {name: net.blobs[name].shape for name in tops} == tops
    blobs = [name for name in golden.files if name.startswith("param_") and name[6:].isdigit()]
    assert [p.shape for p in net.layer("op").parameters] == [golden[name].shape for name in sorted(blobs)]
    assert net.totals.macs >= 0


def test_there_are_goldens_for_most_types():
    types = {layer.type for path in GOLDENS for layer in netdef.parse(str(numpy.load(path)["prototxt"]), path.stem).layers}
    assert len(GOLDENS) >= 80
    assert set(LAYERS) - types == {
        # sources and sinks
        "Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "MemoryData", "Parameter", "Silence", "WindowData",
        # what only Caffe itself puts in, and what depends on values or on the user's code
        "Split", "LSTMUnit", "Filter", "Python",
    }  # fmt: skip
