"""Python layers of scripts (BVLC's two tests of Python layers check as much)."""

import sys

import numpy as np
import pytest

from runtime import pycaffe as caffe
from tests.runtime.pycaffe.nets import written

LAYERS = """
import caffe

class Times(caffe.Layer):
    def setup(self, bottom, top):
        try:
            self.factor = float(self.param_str or 10)
        except ValueError:
            raise ValueError("param_str is no number")
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data
    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = self.factor * top[0].diff

class Fails(caffe.Layer):
    def setup(self, bottom, top):
        raise RuntimeError("no setup")

class FailsLater(Times):
    def forward(self, bottom, top):
        raise ZeroDivisionError("later")

class Counts(Times):
    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 0
    def forward(self, bottom, top):
        pass
    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] = 1

class Phase(caffe.Layer):
    def setup(self, bottom, top):
        pass
    def reshape(self, bottom, top):
        top[0].reshape()
    def forward(self, bottom, top):
        top[0].data[()] = self.phase + 10 * (str(self.phase) == ("TRAIN", "TEST")[self.phase])
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    written(tmp_path, LAYERS, "script_layers.py")

    def make(*layers, phase=caffe.TRAIN, source=False):
        text, bottom = "" if source else "force_backward: true input: 'data' input_shape { dim: 10 dim: 9 dim: 8 }\n", "data"
        for index, (kind, param) in enumerate(layers):
            bottoms = "" if source else f"bottom: '{bottom}'"
            bottom = f"top{index}"
            settings = f"python_param {{ module: 'script_layers' layer: '{kind}' param_str: '{param}' }}"
            text += f"layer {{ type: 'Python' name: 'layer{index}' {bottoms} top: '{bottom}' {settings} }}\n"
        return caffe.Net(written(tmp_path, text), phase)

    yield make
    sys.modules.pop("script_layers", None)


def test_forward_and_backward(make):
    net = make(("Times", ""), ("Times", "2"), ("Times", "0.5"))
    net.blobs["data"].data[...] = 8
    net.forward()
    assert np.all(net.blobs["top2"].data == 80)
    net.blobs["top2"].diff[...] = 7
    net.backward()
    assert np.all(net.blobs["data"].diff == 70)


def test_reshape(make):
    net = make(("Times", ""), ("Times", ""))
    net.blobs["data"].reshape(4, 4, 4, 4)
    net.forward()
    assert {blob.data.shape for blob in net.blobs.values()} == {(4, 4, 4, 4)}


def test_parameters(make, tmp_path):
    net = make(("Counts", ""))
    net.forward()
    net.backward()
    blob = net.layers[1].blobs[0]
    assert blob.data[0] == 0 and blob.diff[0] == 1
    blob.data[0] += blob.diff[0]
    net.save(str(tmp_path / "weights"))
    blob.data[0] = -1
    net.copy_from(str(tmp_path / "weights"))
    assert blob.data[0] == 1
    other = make(("Counts", ""))
    other.share_with(net)
    assert other.layers[1].blobs[0].data[0] == 1


def test_phase(make):
    for phase in (caffe.TRAIN, caffe.TEST):
        assert make(("Phase", ""), phase=phase, source=True).forward()["top0"] == phase + 10


def test_errors_are_the_layer_s_own(make):
    with pytest.raises(RuntimeError, match="no setup"):
        make(("Fails", ""))
    with pytest.raises(ValueError, match="param_str is no number") as raised:
        make(("Times", "x"))
    assert raised.value.__notes__ == ["in script_layers.Times.setup, of layer layer0"]
    net = make(("FailsLater", ""))
    with pytest.raises(ZeroDivisionError, match="later"):
        net.forward()
    with pytest.raises(ZeroDivisionError, match="later"):
        net.forward()
