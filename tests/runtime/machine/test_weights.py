"""Weights of an executable in Caffe's own files, and what is said of files that do not fit."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from netdef.schema import message_class
from netdef.weights import read_weights
from runtime.machine.weights import WeightsRemark, write_weights
from tests.netdef.weights.files import SHAPES, same


def fake_net(shapes, name="tiny"):
    layers = []
    for layer_name, of in shapes.items():
        layer = SimpleNamespace(name=layer_name, message=message_class("LayerParameter")(name=layer_name, type="X"))
        layer.parameters = []
        for index, shape in enumerate(of):
            parameter = SimpleNamespace(layer=layer, index=index, shape=shape, shared=False)
            layer.parameters.append(parameter)
        layers.append(layer)
    return SimpleNamespace(name=name, layers=layers)


@pytest.fixture
def weights():
    random = np.random.default_rng(1)
    return {name: [random.standard_normal(s, dtype=np.float32) for s in of] for name, of in SHAPES.items()}


def reader(weights):
    return lambda layer, index: weights[layer][index]


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
    net.layers[1].parameters[0].shared = True
    array = np.eye(2, dtype=np.float32)
    write_weights(tmp_path / "w.h5", net, lambda layer, index: array)
    assert list(read_weights(tmp_path / "w.h5")) == ["a"]
    write_weights(tmp_path / "w.caffemodel", net, lambda layer, index: array)
    assert list(read_weights(tmp_path / "w.caffemodel")) == ["a", "b"]


NET = """layer data: Input { shape { dim: [2, 3] } }
layer a: InnerProduct(data) { num_output: 4 weight_filler { type: "xavier" } }
layer b: InnerProduct(a) { num_output: 5 weight_filler { type: "xavier" } }
"""


@pytest.fixture
def executable():
    with runtime.compile(netdef.parse(NET, "small.net"), backward=False) as executable:
        yield executable


def file_of(tmp_path, name="w.caffemodel", **layers):
    """A .caffemodel of layers, each array filled with one number."""
    shapes = {layer: shapes for layer, (shapes, _) in layers.items()}
    write_weights(tmp_path / name, fake_net(shapes), lambda layer, index: np.full(shapes[layer][index], layers[layer][1], "f4"))
    return tmp_path / name


A, B = [(4, 3), (4,)], [(5, 4), (5,)]


def test_every_layer_is_filled(executable, tmp_path):
    loaded = executable.load_weights(file_of(tmp_path, a=(A, 1), b=(B, 2)))
    assert (loaded.filled, loaded.missing, loaded.extra) == (("a", "b"), (), ())
    assert (executable.param("a", 0) == 1).all() and (executable.param("b", 1) == 2).all()


def test_a_missing_layer_is_an_error_that_names_it_and_changes_nothing(executable, tmp_path):
    before = executable.param("a", 0)
    path = file_of(tmp_path, a=(A, 1))
    with pytest.raises(NetdefError) as error:
        executable.load_weights(path)
    assert str(error.value).startswith(f"error: {path}: no weights for 1 layer of the net: b\n")
    assert "allow_missing" in str(error.value)
    np.testing.assert_array_equal(executable.param("a", 0), before)


def test_missing_layers_that_are_allowed_are_said(executable, tmp_path):
    before = executable.param("b", 0)
    path = file_of(tmp_path, a=(A, 1))
    with pytest.warns(WeightsRemark) as said:
        loaded = executable.load_weights(path, allow_missing=True)
    assert [str(one.message) for one in said] == [f"{path}: no weights for 1 layer: b; what their fillers gave stays"]
    assert said[0].filename == __file__
    assert (loaded.filled, loaded.missing) == (("a",), ("b",))
    np.testing.assert_array_equal(executable.param("b", 0), before)


def test_extra_layers_are_one_line(executable, tmp_path):
    extra = {f"x{number}": ([(1,)], 0) for number in range(10)}
    lines = []
    loaded = executable.load_weights(file_of(tmp_path, a=(A, 1), b=(B, 2), **extra), say=lines.append)
    assert loaded.extra == tuple(extra)
    assert lines == [f"{tmp_path}/w.caffemodel: 10 layers that the net does not have: {', '.join(list(extra)[:8])} and 2 more"]


def test_several_files_fill_a_net_together(executable, tmp_path):
    one, two = file_of(tmp_path, "one", a=(A, 1)), file_of(tmp_path, "two", a=(A, 3), b=(B, 2))
    assert executable.load_weights([one, two]).missing == ()
    assert (executable.param("a", 0) == 3).all()
    three = file_of(tmp_path, "three", b=(B, 4))
    assert executable.load_weights([one, three]).filled == ("a", "b")
    assert (executable.param("a", 0) == 1).all()


def test_every_other_shape_is_listed(executable, tmp_path):
    path = file_of(tmp_path, a=([(3, 4), (4,)], 1), b=([(5, 4)], 1))
    with pytest.raises(NetdefError) as error:
        executable.load_weights(path, allow_missing=True)
    assert f"the weights in {path} do not fit the net:\n" in str(error.value)
    assert "a: 4 x 3 + 4 in the net, 3 x 4 + 4 in the file" in str(error.value)
    assert "b: 5 x 4 + 5 in the net, 5 x 4 in the file" in str(error.value)


def test_a_file_of_another_net(executable, tmp_path):
    path = file_of(tmp_path, conv1=([(1,)], 0))
    with pytest.raises(NetdefError) as error:
        executable.load_weights(path, allow_missing=True)
    assert f"no layer of the net is in {path}" in str(error.value)
    assert "the net's: 2 layers: a, b; the file's: 1 layer: conv1" in str(error.value)


def test_numbers_that_are_not_finite_change_nothing(executable, tmp_path):
    before = executable.param("a", 0)
    with pytest.raises(NetdefError, match=r"b/0 \(5 x 4\): 20 NaN of 20"):
        executable.load_weights(file_of(tmp_path, a=(A, 1), b=(B, np.nan)))
    np.testing.assert_array_equal(executable.param("a", 0), before)


NORMALISED = """
layer x: Input { shape { dim: [4, 3] } }
layer a: BatchNorm(x)
layer b: BatchNorm(a)
"""


@pytest.mark.parametrize("ending", ["caffemodel", "caffemodel.h5"])
def test_statistics_of_no_batch_are_said_in_one_line(tmp_path, ending):
    file = tmp_path / f"w.{ending}"
    with runtime.compile(netdef.parse(NORMALISED, phase="train")) as training:
        training.save_weights(file)
        training.load_weights(file, say=lambda line: pytest.fail(line))  # it normalises by the batch
        with runtime.compile(netdef.parse(NORMALISED, phase="test")) as testing:
            said = []
            testing.load_weights(file, say=said.append)
            assert said == [f"{file}: no running statistics for 2 layers: a, b; as in Caffe, they divide by sqrt(eps)"]
            x = np.random.default_rng(1).standard_normal((4, 3))
            np.testing.assert_allclose(testing.forward(x=x)["b"], x / 1e-5, rtol=1e-4)
            training.forward(x=x)
            training.update()
            training.save_weights(file)
            testing.load_weights(file, say=lambda line: pytest.fail(line))
            assert testing.without_statistics == []
