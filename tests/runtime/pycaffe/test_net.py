"""Nets of scripts: what they consist of, and any layers run on what a script has written (BVLC's test_net.py checks as much)."""

import gc

import numpy as np
import pytest

from netdef.language.diagnostics import NetdefError
from runtime import pycaffe as caffe
from tests.runtime.pycaffe.nets import CLASSES, DEPLOY, SIMPLE, give_labels, written


@pytest.fixture
def net(tmp_path):
    net = caffe.Net(written(tmp_path, SIMPLE), caffe.TRAIN)
    give_labels(net)
    return net


def normal(shape, seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_names(net):
    assert net.inputs == [] and net.outputs == ["loss"]
    assert [*net.blobs] == net._blob_names == ["data", "label", "conv", "scores", "loss"]
    assert net.top_names == {"data": ["data", "label"], "conv": ["conv"], "relu": ["conv"], "ip": ["scores"], "loss": ["loss"]}
    assert net.bottom_names["loss"] == ["scores", "label"]
    assert [*net.layer_dict] == net._layer_names and net.layer_dict["ip"].type == net.layers[3].type == "InnerProduct"
    assert net._top_ids(0) == [0, 1] and net._bottom_ids(4) == [3, 1] and net._outputs == [4] and net._inputs == []
    assert net.blob_loss_weights == {"data": 0, "label": 0, "conv": 0, "scores": 0, "loss": 1}
    assert [*net.params] == ["conv", "ip"] and [blob.shape for blob in net.params["ip"]] == [(13, 11 * 8 * 9), (13,)]
    data = net.blobs["data"]
    assert (data.num, data.channels, data.height, data.width, data.count) == (5, 2, 3, 4, 120)


def test_a_name_that_is_not_there(net):
    with pytest.raises(KeyError, match="the net has no blob 'scoers'; did you mean scores"):
        net.blobs["scoers"]
    with pytest.raises(KeyError, match="has no layer with parameters called 'x'; there are: conv, ip"):
        net.params["x"]
    with pytest.raises(ValueError, match="no layer 'comv'; did you mean conv"):
        net.forward(end="comv")
    assert "scoers" not in net.blobs and net.blobs.get("scoers") is None


def test_arrays_stay_and_follow_the_runs(net):
    held = {name: (blob, blob.data) for name, blob in net.blobs.items()}
    before = held["conv"][1].copy()
    net.forward()
    assert all(net.blobs[name] is blob and blob.data is array for name, (blob, array) in held.items())
    assert held["conv"][1].min() == 0 and not np.array_equal(held["conv"][1], before)
    view = net.blobs["scores"].data[2]
    net.forward()  # other data
    assert np.array_equal(view, net.blobs["scores"].data[2])


def test_constants_are_filled_once(net):
    label = net.blobs["label"].data.copy()
    net.forward()
    net.forward()
    assert np.array_equal(net.blobs["label"].data, label) and label.max() > 0


def test_layers_in_place_run_one_by_one(net):
    net.forward(end="conv")
    raw = net.blobs["conv"].data.copy()
    assert raw.min() < 0
    net.forward(start="relu", end="relu")
    assert np.array_equal(net.blobs["conv"].data, np.maximum(raw, 0))
    net.blobs["conv"].data[...] = values = normal(raw.shape)
    net.forward(start="relu", end="relu")
    assert np.array_equal(net.blobs["conv"].data, np.maximum(values, 0))


def test_from_a_layer_in_the_middle(net):
    values = normal(net.blobs["conv"].shape)
    net.blobs["conv"].data[:] = values
    out = net.forward(start="ip", end="ip")
    weights, bias = net.params["ip"]
    assert [*out] == ["scores"] and out["scores"] is net.blobs["scores"].data
    assert np.allclose(out["scores"], values.reshape(5, -1) @ weights.data.T + bias.data, rtol=1e-4, atol=1e-4)
    assert [*net.forward(blobs=["conv"])] == ["loss", "conv"]


def test_writing_after_a_run_counts_once(net):
    net.forward()
    net.blobs["scores"].data[...] = 0
    assert net.forward(start="loss")["loss"] == pytest.approx(np.log(CLASSES), rel=1e-6)
    assert net.forward()["loss"] != pytest.approx(np.log(CLASSES), rel=1e-6)


def test_backward_of_some_layers(net):
    net.forward()
    net.blobs["scores"].diff[:] = gradient = normal((5, CLASSES))
    out = net.backward(start="ip", end="ip")
    weights = net.params["ip"][0]
    assert np.allclose(out["conv"], (gradient @ weights.data).reshape(out["conv"].shape), rtol=1e-4, atol=1e-4)
    inputs = net.blobs["conv"].data.reshape(5, -1)
    assert np.allclose(weights.diff, gradient.T @ inputs, rtol=1e-4, atol=1e-4)
    net.backward(start="relu", end="relu")
    assert np.array_equal(net.blobs["conv"].diff == 0, net.blobs["conv"].data == 0)


def test_whole_backward_is_that_of_the_executable(net):
    net.forward()
    assert net.blobs["loss"].diff == 1
    net.backward()
    executable = net._engine.executable
    assert np.array_equal(net.blobs["scores"].diff, executable.blob_grad("scores"))
    assert np.abs(net.blobs["data"].diff).max() > 0
    first = net.params["conv"][0].diff.copy()
    net.blobs["loss"].diff[...] = 2
    net.clear_param_diffs()
    net.backward()
    assert np.allclose(net.params["conv"][0].diff, 2 * first, rtol=1e-5)


def test_parameter_diffs_add_up_until_they_are_cleared(net):
    net.forward()
    net.backward()
    diff = net.params["conv"][0].diff
    once = diff.copy()
    net.backward()
    assert once.any() and np.allclose(diff, 2 * once)
    net.clear_param_diffs()
    assert not diff.any()


def test_parameters_are_written_in_place(net):
    net.forward()
    scores, data = net.blobs["scores"].data.copy(), net.blobs["conv"].data.copy()
    weights = net.params["ip"][0].data
    weights *= 2
    net.params["ip"][1].data[...] = 0
    net.blobs["conv"].data[...] = data
    net.forward(start="ip", end="ip")
    assert np.allclose(net.blobs["scores"].data, 2 * (scores + 3), rtol=1e-4, atol=1e-4)
    with pytest.raises(AttributeError):
        net.params["ip"][0].data = 1


def test_blobs_outlive_the_net(net):
    parameters, blobs = [one for both in net.params.values() for one in both], [*net.blobs.values()]
    net.forward()
    loss = float(net.blobs["loss"].data)
    del net
    gc.collect()
    assert sum(blob.data.sum() + blob.diff.sum() for blob in parameters + blobs) != 0 and blobs[-1].data == loss


def test_save_and_read(net, tmp_path):
    file, path = str(tmp_path / "weights"), str(tmp_path / "net.prototxt")
    net.save(file)
    named = caffe.Net(path, caffe.TRAIN, weights=file)
    older = caffe.Net(path, file, caffe.TRAIN)
    net.save_hdf5(str(tmp_path / "as_hdf5"))
    from_hdf5 = caffe.Net(network_file=path, phase=caffe.TEST)
    from_hdf5.load_hdf5(str(tmp_path / "as_hdf5"))
    for other in (named, older, from_hdf5):
        for name, blobs in net.params.items():
            assert all(np.array_equal(a.data, b.data) for a, b in zip(blobs, other.params[name], strict=True))
    net.params["ip"][0].data[...] = 5
    net.copy_from(file)
    assert np.array_equal(net.params["ip"][0].data, named.params["ip"][0].data)


def test_share_with(net, tmp_path):
    other = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    before = net.params["ip"][0].data.copy()
    other.share_with(net)
    assert np.array_equal(other.params["ip"][0].data, before)
    net.params["ip"][0].data[...] = 0
    net.params["ip"][1].data[...] = 7
    other.forward()
    assert np.all(other.blobs["scores"].data == 7)
    assert other.params["ip"][0].diff is not net.params["ip"][0].diff


def test_inputs(tmp_path):
    net = caffe.Net(written(tmp_path, DEPLOY), caffe.TEST)
    images = normal((4, 3, 8, 8))
    net.blobs["data"].data[...] = images
    by_writing = net.forward()["prob"].copy()
    assert np.array_equal(net.forward(data=images)["prob"], by_writing) and np.array_equal(net.forward()["prob"], by_writing)
    assert np.array_equal(net.blobs["data"].data, images)
    with pytest.raises(ValueError, match="prob are given, and the inputs of the net are data"):
        net.forward(prob=images)
    with pytest.raises(ValueError, match="batch of 4"):
        net.forward(data=images[:3])


def test_all_images_in_batches(tmp_path):
    net = caffe.Net(written(tmp_path, DEPLOY), caffe.TEST)
    images = normal((10, 3, 8, 8))
    found = net.forward_all(data=images, blobs=["ip"])
    for begin in (0, 4):
        assert np.array_equal(found["ip"][begin : begin + 4], net.forward(data=images[begin : begin + 4], blobs=["ip"])["ip"])
    assert found["prob"].shape == (10, 5) and found["ip"].shape == (10, 5)
    diffs = normal((10, 5))
    values, gradients = net.forward_backward_all(data=images, prob=diffs)
    assert np.allclose(values["prob"], found["prob"]) and gradients["data"].shape == (10, 3, 8, 8)
    net.forward(data=images[4:8])
    assert np.allclose(net.backward(prob=diffs[4:8])["data"], gradients["data"][4:8])


@pytest.mark.parametrize("by_net", [False, True])
def test_reshape(tmp_path, by_net):
    net = caffe.Net(written(tmp_path, DEPLOY), caffe.TEST)
    net.blobs["data"].reshape(2, 3, 11, 9)
    assert net.blobs["data"].data.shape == (2, 3, 11, 9) and net.blobs["conv"].data.shape == (4, 6, 6, 6)
    if by_net:
        net.reshape()
        assert net.blobs["conv"].data.shape == (2, 6, 9, 7)
    net.blobs["data"].data[...] = images = normal((2, 3, 11, 9))
    assert net.forward()["prob"].shape == (2, 5) and net.blobs["conv"].shape == (2, 6, 9, 7)
    assert np.array_equal(net.blobs["data"].data, images)
    net.blobs["prob"].diff[...] = 1
    assert net.backward()["data"].shape == (2, 3, 11, 9)
    with pytest.raises(NetdefError, match="which its layer gives it"):
        net.params["ip"][0].reshape(4, 6)
    with pytest.raises(ValueError):
        net.blobs["data"].reshape(0, 3)


def test_layers_that_do_not_fit_are_left_out(tmp_path):
    """As in Caffe, layers behind `end` need not fit the shapes: DeepDream runs a classifier's first layers on any image."""
    text = DEPLOY.replace("pooling_param { pool: AVE global_pooling: true }", "pooling_param { pool: AVE kernel_size: 6 }")
    net = caffe.Net(written(tmp_path, text), caffe.TEST)
    weights = net.params["conv"][0].data
    src, dst = net.blobs["data"], net.blobs["conv"]
    for rows, end in ((30, "relu"), (13, "relu"), (30, "pool"), (13, "conv")):
        src.reshape(1, 3, rows, 14)
        src.data[0] = image = normal((3, rows, 14))
        net.forward(end=end)
        if end != "pool":
            dst.diff[:] = dst.data
            net.backward(start=end)
            assert src.diff.shape == (1, 3, rows, 14) and np.abs(src.diff).max() > 0
            other = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
            other.params["conv"][0].data[...] = weights
            other.blobs["data"].data[...] = image[:, :8, :8]
            other.forward(end=end)
            assert np.allclose(dst.data[0, :, :6, :6], other.blobs["conv"].data[0], atol=1e-5)
        assert np.array_equal(src.data[0], image)
    with pytest.raises(NetdefError, match="layers behind conv do not fit"):
        net.backward()
    with pytest.raises(NetdefError, match="parameter ip/0 is 5 x 6, and would be"):
        net.forward()
    assert [*net.params] == ["conv", "ip"] and len(net.layers) == 6 and net.outputs == ["prob"]
    src.reshape(4, 3, 8, 8)
    assert net.forward()["prob"].shape == (4, 5)


def test_calls_around_each_layer(tmp_path):
    net = caffe.Net(written(tmp_path, DEPLOY), caffe.TEST)
    seen = []
    net.before_forward(lambda index: seen.append(("before", index)))
    net.after_forward(lambda index: seen.append(("after", index)))
    net.blobs["data"].data[...] = normal((4, 3, 8, 8))
    by_layer = net.forward()["prob"].copy()
    assert seen == [(when, index) for index in range(6) for when in ("before", "after")]
    plain = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    plain.share_with(net)
    assert np.array_equal(plain.forward(data=net.blobs["data"].data)["prob"], by_layer)


def test_calls_around_each_layer_backward(tmp_path):
    net = caffe.Net(written(tmp_path, TOWERS), caffe.TRAIN)
    net.blobs["x"].data[...] = x = normal((2, 3))
    net.forward()
    net.blobs["sum"].diff[...] = dy = normal((2, 3), 5)
    seen = []
    net.before_backward(lambda index: seen.append(-index))
    net.after_backward(seen.append)
    assert np.allclose(net.backward()["x"], 4 * dy) and seen == [-4, 4, -3, 3, -2, 2, -1, 1, 0, 0]
    assert net.params["a"][0].diff == pytest.approx(2 * (x * dy).sum(), rel=1e-5)


BY_STATE = """
layer { name: 'data' type: 'DummyData' top: 'data' dummy_data_param { shape { dim: [1, 1, 4, 4] } } }
layer { name: 'any' type: 'InnerProduct' bottom: 'data' top: 'any' inner_product_param { num_output: 1 } }
layer { name: 'one' type: 'ReLU' bottom: 'data' top: 'one' include { min_level: 1 } }
layer { name: 'A' type: 'ReLU' bottom: 'data' top: 'A' include { stage: 'A' } }
layer { name: 'AB' type: 'ReLU' bottom: 'data' top: 'AB' include { stage: 'A' stage: 'B' } }
"""


def test_levels_and_stages(tmp_path):
    file = written(tmp_path, BY_STATE)
    assert [*caffe.Net(file, caffe.TEST).blobs] == ["data", "any"]
    assert [*caffe.Net(file, caffe.TEST, level=1).blobs] == ["data", "any", "one"]
    assert [*caffe.Net(file, caffe.TRAIN, 0, ["A", "B"]).blobs] == ["data", "any", "A", "AB"]


def test_constants_stay_where_another_blob_is_reshaped(tmp_path):
    net = caffe.Net(written(tmp_path, DUMMY), caffe.TEST)
    assert net.forward()["out"].tolist() == [[10, 10]]
    net.blobs["out"].reshape(3, 1)
    assert net.forward()["out"].tolist() == [[10, 10]]
    net.blobs["data"].data[...] = 4
    net.forward()
    net.blobs["out"].reshape(3, 1)
    assert net.forward()["out"].tolist() == [[8, 8]]


DUMMY = """
layer { name: 'data' type: 'DummyData' top: 'data' dummy_data_param { data_filler { value: 5 } shape { dim: [1, 2] } } }
layer { name: 'out' type: 'Power' bottom: 'data' top: 'out' power_param { scale: 2 } }
"""


TOWERS = """
force_backward: true
layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: [2, 3] } } }
layer { name: 'a' type: 'Scale' bottom: 'x' top: 'a' scale_param { axis: 0 num_axes: 0 filler { value: 2 } } param { name: 'k' } }
layer { name: 'b' type: 'Scale' bottom: 'x' top: 'b' scale_param { axis: 0 num_axes: 0 filler { value: 2 } } param { name: 'k' } }
layer { name: 'flat' type: 'Flatten' bottom: 'b' top: 'flat' }
layer { name: 'sum' type: 'Eltwise' bottom: 'a' bottom: 'flat' top: 'sum' }
"""


def test_blobs_with_several_readers_and_shared_parameters(tmp_path):
    net = caffe.Net(written(tmp_path, TOWERS), caffe.TRAIN)
    assert net.params["a"][0] is net.params["b"][0]
    net.blobs["x"].data[...] = x = normal((2, 3))
    assert np.allclose(net.forward()["sum"], 4 * x)
    net.blobs["sum"].diff[...] = dy = normal((2, 3), 5)
    assert np.allclose(net.backward()["x"], 4 * dy)
    assert net.params["a"][0].diff == pytest.approx(2 * (x * dy).sum(), rel=1e-5)
    net.clear_param_diffs()
    net.blobs["b"].diff[...] = dy
    net.backward(start="b", end="b")
    assert net.params["a"][0].diff == pytest.approx((x * dy).sum(), rel=1e-5)
    net.blobs["b"].data[...] = 1  # and so flat, which is the same memory
    assert np.allclose(net.forward(start="sum")["sum"], 2 * x + 1)
    assert np.all(net.blobs["flat"].data == 1)


NORMALIZED = """
layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: [8, 2] } } }
layer { name: 'bn' type: 'BatchNorm' bottom: 'x' top: 'y' batch_norm_param { moving_average_fraction: 0.5 } }
"""


def test_statistics_take_in_the_batch_in_forward(tmp_path):
    net = caffe.Net(written(tmp_path, NORMALIZED), caffe.TRAIN)
    x = normal((8, 2))
    net.forward(x=x)
    mean, _, factor = (blob.data for blob in net.params["bn"])
    assert np.allclose(mean, x.mean(0), atol=1e-6) and factor == 1
    net.forward(x=x)
    assert np.allclose(mean, 1.5 * x.mean(0), atol=1e-6) and factor == 1.5


def test_a_net_without_gradients(tmp_path):
    text = "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 3 } } }"
    text += "layer { name: 's' type: 'Silence' bottom: 'x' }"
    net = caffe.Net(written(tmp_path, text), caffe.TEST)
    assert net.forward() == {} and net.backward() == {"x": pytest.approx(0)}


@pytest.mark.parametrize("file", ["none.prototxt", "lenett"])
def test_a_file_that_is_not_there(file):
    with pytest.raises(RuntimeError, match=f"Could not open file {file}"):
        caffe.Net(file, caffe.TEST)


def test_wrong_arguments(tmp_path, net):
    file = str(tmp_path / "net.prototxt")
    with pytest.raises(NetdefError, match="no phase is given"):
        caffe.Net(file)
    with pytest.raises(NetdefError, match="3 is no phase"):
        caffe.Net(file, 3)
    with pytest.raises(NetdefError, match=r"share_with takes a caffe.Net, not str"):
        net.share_with(file)
    with pytest.raises(RuntimeError, match="Could not open file"):
        net.copy_from("none.caffemodel")
    with pytest.raises(NetdefError, match=r"net.prototxt"):
        net.copy_from(file)
