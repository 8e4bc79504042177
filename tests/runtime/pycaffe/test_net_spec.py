"""Nets written in Python (BVLC's test_net_spec.py checks as much), and the text that Caffe's own tools made of one."""

import pytest
from google.protobuf import text_format

from runtime import pycaffe as caffe
from runtime.pycaffe.proto import caffe_pb2

L, P = caffe.layers, caffe.params

# What BVLC's net_spec.py makes of `tops` below: layers in the order in which they are set, fields in that of their numbers.
TEXT = """layer {
  name: "data"
  type: "DummyData"
  top: "data"
  top: "label"
  transform_param {
    scale: 0.5
  }
  dummy_data_param {
    shape {
      dim: 5
      dim: 1
      dim: 28
      dim: 28
    }
    shape {
      dim: 5
    }
  }
}
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  param {
    lr_mult: 1
  }
  param {
    lr_mult: 2
  }
  convolution_param {
    num_output: 20
    kernel_size: 5
    weight_filler {
      type: "xavier"
    }
  }
}
layer {
  name: "pool1"
  type: "Pooling"
  bottom: "conv1"
  top: "pool1"
  pooling_param {
    pool: MAX
    kernel_size: 2
    stride: 2
  }
}
layer {
  name: "relu1"
  type: "ReLU"
  bottom: "pool1"
  top: "pool1"
}
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "pool1"
  top: "ip"
  inner_product_param {
    num_output: 10
  }
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "ip"
  bottom: "label"
  top: "loss"
}
"""


def tops(n):
    n["data"], n["label"] = L.DummyData(shape=[{"dim": [5, 1, 28, 28]}, {"dim": [5]}], transform_param={"scale": 0.5}, ntop=2)
    n["conv1"] = L.Convolution(
        n["data"], kernel_size=5, num_output=20, weight_filler={"type": "xavier"}, param=[{"lr_mult": 1}, {"lr_mult": 2}]
    )
    n["pool1"] = L.Pooling(n["conv1"], kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n["relu1"] = L.ReLU(n["pool1"], in_place=True)
    n["ip"] = L.InnerProduct(n["relu1"], num_output=10)
    n["loss"] = L.SoftmaxWithLoss(n["ip"], n["label"])
    return n


def test_the_text_is_that_of_caffe():
    assert str(tops(caffe.NetSpec()).to_proto()) == TEXT


def test_names_that_are_not_given():
    net = tops({})["loss"].to_proto()
    assert [layer.name for layer in net.layer] == [
        "DummyData1",
        "Convolution1",
        "Pooling1",
        "ReLU1",
        "InnerProduct1",
        "SoftmaxWithLoss1",
    ]
    assert list(net.layer[0].top) == ["DummyData1", "DummyData2"] and list(net.layer[3].top) == ["Pooling1"]
    assert str(caffe.to_proto(*L.DummyData(shape={"dim": 3}, ntop=2))).count("layer {") == 1


def test_it_is_built(tmp_path):
    (tmp_path / "net.prototxt").write_text(str(tops(caffe.NetSpec()).to_proto()))
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    assert len(net.layers) == 6 and net.blobs["ip"].shape == (5, 10)


def test_layers_without_tops(tmp_path):
    n = caffe.NetSpec()
    n.data, n.data2 = L.DummyData(shape={"dim": 3}, ntop=2)
    n.silence = L.Silence(n.data, ntop=0)
    n.silence2 = L.Silence(n.data2, ntop=0)
    (tmp_path / "net.prototxt").write_text(str(n.to_proto()))
    assert len(caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST).forward()) == 0


def test_settings_of_forks_and_of_deconvolution():
    data = L.Input(shape={"dim": [1, 2, 3, 4]})
    net = L.Permute(L.Deconvolution(data, num_output=2, kernel_size=4), order=[0, 2, 3, 1]).to_proto()
    assert net.layer[1].convolution_param.num_output == 2 and list(net.layer[2].permute_param.order) == [0, 2, 3, 1]


def test_wrong_arguments_are_errors_of_python():
    data = L.DummyData(ntop=2)
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>\)$"):
        L.Silence(data, ntop=0)
    assert L.Silence(*data, ntop=0).ntop == 0
    with pytest.raises(AttributeError, match="a layer Convolution has no setting num_outptu; did you mean num_output"):
        L.Convolution(data[0], num_outptu=3).to_proto()
    with pytest.raises(TypeError):
        L.Convolution(data[0], num_output="three").to_proto()
    with pytest.raises(KeyError, match="conv was not set"):
        _ = caffe.NetSpec().conv
    with pytest.raises(AttributeError):
        _ = P.Pooling.MAXX


def test_messages_are_protobuf_s():
    net = text_format.Parse("layer { type: 'Pooling' pooling_param { pool: AVE } }", caffe_pb2.NetParameter())
    assert net.layer[0].pooling_param.pool == caffe_pb2.PoolingParameter.AVE and caffe_pb2.TEST == caffe.TEST == 1
    assert caffe_pb2.V1LayerParameter.CONVOLUTION == 4
    with pytest.raises(AttributeError, match="no message Nothing"):
        _ = caffe_pb2.Nothing
