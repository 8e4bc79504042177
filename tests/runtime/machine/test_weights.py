"""Weights from Caffe's own files and back, and what is said of files that do not fit."""

import struct
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from netdef import NetdefError
from netdef.schema import message_class
from runtime.machine import wire
from runtime.machine.weights import fit_weights, read_weights, write_weights

SHAPES = {"conv1": [(4, 3, 3, 3), (4,)], "conv2": [(6, 2, 3, 3), (6,)], "fc": [(5, 150), (5,)]}


def fake_net(shapes, name="tiny"):
    layers = []
    for layer_name, of in shapes.items():
        layer = SimpleNamespace(name=layer_name, message=message_class("LayerParameter")(name=layer_name, type="X"))
        layer.parameters = []
        for index, shape in enumerate(of):
            parameter = SimpleNamespace(layer=layer, index=index, shape=shape)
            parameter.owner = parameter
            layer.parameters.append(parameter)
        layers.append(layer)
    return SimpleNamespace(name=name, layers=layers)


@pytest.fixture
def weights():
    random = np.random.default_rng(1)
    return {name: [random.standard_normal(s, dtype=np.float32) for s in of] for name, of in SHAPES.items()}


def reader(weights):
    return lambda layer, index: weights[layer][index]


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert len(a[name]) == len(b[name])
        for x, y in zip(a[name], b[name], strict=True):
            np.testing.assert_array_equal(x, y)


def test_caffes_two_formats_hold_the_same(goldens):
    binary = read_weights(goldens / "files/snap_iter_4.caffemodel")
    same(binary, read_weights(goldens / "files/snap_iter_4.caffemodel.h5"))
    assert {name: [a.shape for a in blobs] for name, blobs in binary.items()} == SHAPES


def test_read_as_protobuf_reads_it(goldens):
    path = goldens / "files/snap_iter_4.caffemodel"
    message = message_class("NetParameter").FromString(path.read_bytes())
    expected = {
        layer.name: [np.array(blob.data, np.float32).reshape(blob.shape.dim) for blob in layer.blobs]
        for layer in message.layer
        if layer.blobs
    }
    same(read_weights(path), expected)


@pytest.mark.parametrize("name", ["w.caffemodel", "w.caffemodel.h5"])
def test_what_is_written_is_read(tmp_path, weights, name):
    write_weights(tmp_path / name, fake_net(SHAPES), reader(weights))
    same(read_weights(tmp_path / name), weights)


def test_written_bytes_are_protobufs_own(tmp_path, weights):
    write_weights(tmp_path / "w.caffemodel", fake_net(SHAPES), reader(weights))
    message = message_class("NetParameter").FromString((tmp_path / "w.caffemodel").read_bytes())
    assert message.name == "tiny"
    assert [layer.name for layer in message.layer] == list(SHAPES)
    assert [layer.type for layer in message.layer] == ["X"] * 3
    for layer in message.layer:
        for blob, array in zip(layer.blobs, weights[layer.name], strict=True):
            assert tuple(blob.shape.dim) == array.shape
            np.testing.assert_array_equal(np.array(blob.data, np.float32), array.ravel())


def test_hdf5_has_a_group_for_each_layer_as_caffe_writes_it(tmp_path, weights):
    net = fake_net({"data": [], **SHAPES})
    write_weights(tmp_path / "w.h5", net, reader(weights))
    with h5py.File(tmp_path / "w.h5") as file:
        assert sorted(file["data"]) == ["conv1", "conv2", "data", "fc"]
        assert file["data/fc/0"].dtype == "<f4"


def test_shared_parameters_are_written_once_in_hdf5(tmp_path):
    net = fake_net({"a": [(2, 2)], "b": [(2, 2)]})
    net.layers[1].parameters[0].owner = net.layers[0].parameters[0]
    array = np.eye(2, dtype=np.float32)
    write_weights(tmp_path / "w.h5", net, lambda layer, index: array)
    assert list(read_weights(tmp_path / "w.h5")) == ["a"]
    write_weights(tmp_path / "w.caffemodel", net, lambda layer, index: array)
    assert list(read_weights(tmp_path / "w.caffemodel")) == ["a", "b"]


def test_a_shared_parameter_may_be_found_with_its_owner():
    net = fake_net({"a": [(2, 2), (2,)], "b": [(2, 2), (2,)], "c": [(2, 2)]})
    net.layers[1].parameters[0].owner = net.layers[2].parameters[0].owner = net.layers[0].parameters[0]
    weight, bias = np.eye(2, dtype="f4"), np.ones(2, "f4")
    fit = fit_weights(net, {"a": [weight, bias], "b": [None, bias]}, "w")
    assert fit.missing == [] and list(fit.values) == ["a", "b", "c"]
    assert fit.values["b"][0] is None and fit.values["c"] == [None]
    np.testing.assert_array_equal(fit.values["b"][1], bias)
    assert fit_weights(net, {"b": [weight, bias]}, "w").missing == ["a", "c"]
    with pytest.raises(NetdefError, match="b: 2x2 and 2 in the net, 2x2 in the file"):
        fit_weights(net, {"a": [weight, bias], "b": [weight]}, "w")
    with pytest.raises(NetdefError, match="b: 2x2 and 2 in the net, 2 in the file"):
        fit_weights(net, {"b": [None, bias]}, "w")


def test_names_with_slashes(tmp_path):
    net = fake_net({"inception/1x1": [(2, 3), (2,)], "inception": [(1,)]})
    weights = {"inception/1x1": [np.ones((2, 3), "f4"), np.ones(2, "f4")], "inception": [np.ones(1, "f4")]}
    write_weights(tmp_path / "w.h5", net, reader(weights))
    read = read_weights(tmp_path / "w.h5")
    assert sorted(read) == ["inception", "inception/1x1"]
    assert len(read["inception/1x1"]) == 2


def test_older_formats(tmp_path):
    message = message_class("NetParameter")()
    layer = message.layers.add(name="v1")
    layer.blobs.add(num=1, channels=1, height=2, width=3, data=[1, 2, 3, 4, 5, 6])
    inner = message.layers.add().layer
    inner.name = "v0"
    inner.blobs.add(num=1, channels=1, height=1, width=2, data=[7, 8])
    (tmp_path / "old.caffemodel").write_bytes(message.SerializeToString())
    read = read_weights(tmp_path / "old.caffemodel")
    assert read["v1"][0].shape == (1, 1, 2, 3)
    fit = fit_weights(fake_net({"v1": [(2, 3)], "v0": [(2,)]}), read, "old")
    np.testing.assert_array_equal(fit.values["v1"][0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(fit.values["v0"][0], [7, 8])


def test_every_kind_of_field_is_passed_over():
    data = wire.key(8, wire.FIXED64) + struct.pack("<d", 1.5) + wire.key(5, wire.FIXED32) + struct.pack("<f", 2.5)
    data += wire.key(3, wire.VARINT) + wire.varint(300) + wire.prefix(4, 2) + b"ab"
    found = [(n, kind, value if isinstance(value, int) else bytes(value)) for n, kind, value in wire.fields(memoryview(data))]
    assert found == [(8, 1, struct.pack("<d", 1.5)), (5, 5, struct.pack("<f", 2.5)), (3, 0, 300), (4, 2, b"ab")]


def test_doubles_and_unpacked_numbers(tmp_path):
    message = message_class("NetParameter")()
    blob = message.layer.add(name="d").blobs.add(double_data=[1.5, 2.5])
    blob.shape.dim.extend([2])
    # The unpacked form of `data`: each float with its own key (field 5, fixed32), and of BlobShape.dim.
    floats = np.array([3, 4], "<f4")
    unpacked = b"".join(b"\x2d" + value.tobytes() for value in floats) + b"\x3a\x02\x08\x02"
    raw_layer = b"\x0a\x01u" + b"\x3a" + bytes([len(unpacked)]) + unpacked
    raw = message.SerializeToString() + b"\xa2\x06" + bytes([len(raw_layer)]) + raw_layer
    (tmp_path / "w.caffemodel").write_bytes(raw)
    read = read_weights(tmp_path / "w.caffemodel")
    np.testing.assert_array_equal(read["d"][0], [1.5, 2.5])
    np.testing.assert_array_equal(read["u"][0], [3, 4])


def test_layers_match_by_name(weights):
    net = fake_net({"conv1": SHAPES["conv1"], "fc_new": [(7, 150), (7,)]})
    fit = fit_weights(net, weights, "w.caffemodel")
    assert list(fit.values) == ["conv1"]
    assert fit.missing == ["fc_new"]
    assert fit.unused == ["conv2", "fc"]


def test_every_misfit_is_listed(weights):
    net = fake_net({"conv1": [(8, 3, 3, 3), (8,)], "conv2": [(6, 2, 3, 3)], "fc": SHAPES["fc"]})
    with pytest.raises(NetdefError) as caught:
        fit_weights(net, weights, "w.caffemodel")
    text = str(caught.value)
    assert "w.caffemodel" in text
    assert "conv1: 8x3x3x3 and 8 in the net, 4x3x3x3 and 4 in the file" in text
    assert "conv2: 6x2x3x3 in the net, 6x2x3x3 and 6 in the file" in text
    assert "fc" not in text.replace("hint", "").split("conv2", 1)[1].split("\n")[0]


def test_the_same_number_of_weights_in_another_shape_does_not_fit(weights):
    with pytest.raises(NetdefError, match="150x5 and 5 in the net, 5x150"):
        fit_weights(fake_net({"fc": [(150, 5), (5,)]}), weights, "w")


def test_no_layer_matches(weights):
    with pytest.raises(NetdefError, match="no layer of the net"):
        fit_weights(fake_net({"other": [(1,)]}), weights, "w")


def test_files_that_are_none(tmp_path, goldens):
    whole = (goldens / "files/snap_iter_4.caffemodel").read_bytes()
    cases = {
        "text.prototxt": (goldens / "files/tiny.prototxt").read_bytes(),
        "cut.caffemodel": whole[:-100],
        "pointer.caffemodel": b"version https://git-lfs.github.com/spec/v1\n",
        "picture.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NetdefError, match=name):
            read_weights(tmp_path / name)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(NetdefError, match="is empty"):
        read_weights(tmp_path / "empty")
    with pytest.raises(NetdefError, match="No such file"):
        read_weights(tmp_path / "missing")
    (tmp_path / "cut.h5").write_bytes((goldens / "files/snap_iter_4.caffemodel.h5").read_bytes()[:3000])
    with pytest.raises(NetdefError, match="not a whole"):
        read_weights(tmp_path / "cut.h5")
