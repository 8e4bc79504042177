"""A net that is exported to ONNX and imported again is the same net, and has the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netdef import NetdefError, parse
from netdef.cli.main import run
from netdef.weights import read_weights
from runtime.exchange.deployed import deployed
from runtime.exchange.onnx_in.importing import import_onnx
from runtime.exchange.onnx_out.file import NET_TEXT, model_of
from runtime.exchange.onnx_out.model import blank, default_opset, written
from tests.runtime.exchange.nets import compiled, every_kind

onnx = pytest.importorskip("onnx")

NET = """name: "round"
layer data: Input -> data { shape { dim: [2, 4, 13, 12] } }
layer conv1: Convolution(data) -> conv1 { num_output: 8 kernel_h: 3 kernel_w: 5 stride: 2 pad_h: 1 pad_w: 2 group: 2 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1) { local_size: 3 alpha: 5e-4 k: 2 group: 2 }
layer norm2: LRN(norm1) { local_size: 3 alpha: 0.5 beta: 0.6 norm_region: WITHIN_CHANNEL }
layer pool1: Pooling(norm2) { kernel_size: 3 stride: 2 }
layer conv2: Convolution(pool1) { num_output: 6 kernel_size: 3 pad: 2 dilation: 2 bias_term: false }
layer bn2: BatchNorm(conv2) -> conv2
layer scale2: Scale(conv2) -> conv2 { bias_term: true }
layer elu2: ELU(conv2) { alpha: 0.3 }
layer bn3: BatchNorm(elu2) { eps: 1e-3 }
layer scale3: Scale(bn3) -> bn3 { bias_term: true }
layer up: Deconvolution(bn3) { num_output: 4 kernel_size: 2 stride: 2 }
layer leaky: ReLU(up) { negative_slope: 0.1 }
layer ave: Pooling(leaky) { pool: AVE kernel_size: 3 stride: 2 pad: 1 }
layer floor: Pooling(ave) { pool: MAX kernel_size: 2 stride: 3 round_mode: FLOOR }
layer parts: Slice(up) -> a, b { slice_point: 1 }
layer sig: Sigmoid(a)
layer gate: Eltwise(sig, a) { operation: PROD }
layer minus: Eltwise(gate, a) { operation: SUM coeff: [1, -1] }
layer both: Concat(minus, b)
layer alone: BatchNorm(both)
layer slope: PReLU(alone)
layer whole: Pooling(slope) { pool: AVE global_pooling: true }
layer turned: Permute(whole) { order: [0, 2, 3, 1] }
layer fc1: InnerProduct(floor) { num_output: 7 }
layer drop1: Dropout(fc1) -> fc1 { dropout_ratio: 0.3 }
layer flat: Flatten(turned)
layer fc2: InnerProduct(flat) { num_output: 7 bias_term: false transpose: true }
layer sum: Eltwise(fc1, fc2)
layer prob: Softmax(sum)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kept", [True, False])
def test_the_same_net_and_weights(kept, capsys):
    """By its text, or of a file that another program has written anew, by its nodes."""
    Path("a.net").write_text(NET)
    with compiled(parse(NET, phase="test")) as exe:
        draws = np.random.default_rng(0)
        for one in exe.net.parameters:
            if one.layer.type != "BatchNorm":
                exe.set_param(one.layer.name, one.index, draws.normal(0, 0.3, one.shape))
        exe.save_weights("a.caffemodel")
    assert run(["export", "a.net", "--weights", "a.caffemodel", "-o", "x.onnx"]) == 0
    if not kept:
        model = onnx.load("x.onnx")
        del model.metadata_props[:]
        onnx.save(model, "x.onnx")
    assert run(["import", "x.onnx", "-o", "b.prototxt", "--weights", "b.caffemodel"]) == 0
    capsys.readouterr()
    assert run(["diff", "a.net", "b.prototxt", "--phase", "test"]) == 0
    assert "no differences in test phase" in capsys.readouterr().out
    before, after = read_weights("a.caffemodel"), read_weights("b.caffemodel")
    assert list(before) == list(after)
    for name, arrays in before.items():
        divisor = 2.0 if len(arrays) == 3 else 1.0  # netdef's sums are divided by what the net counts
        for one, other in list(zip(arrays, after[name], strict=True))[:2]:
            np.testing.assert_allclose(one / divisor, other, rtol=1e-6)


def drawn(parameter):
    """Numbers that tell a parameter from another; those of a divisor are 1."""
    shape = parameter.owner.shape
    if parameter.owner.layer.type == "BatchNorm" and shape == (1,):
        return np.ones(shape, np.float32)
    return np.random.default_rng(len(str(parameter.owner))).normal(0, 1, shape).astype(np.float32)


def exported(net, read=drawn):
    """x.onnx, as `export` writes it."""
    model = model_of(written(net, default_opset(net), read))
    Path("x.onnx").write_bytes(model.SerializeToString())
    return model


def test_every_type_that_is_exported():
    net = deployed(every_kind("PSROIPooling")).net
    exported(net)
    found = import_onnx("x.onnx", check=False)
    assert (found.message.name, list(found.message.layer)) == (net.name, list(net.message.layer))
    for one in net.parameters:
        if one.layer.type != "BatchNorm" or one.layer.use_global_stats:  # else nothing reads them
            np.testing.assert_allclose(found.read(one.layer.name, one.index), drawn(one).reshape(one.shape), rtol=1e-6)


def test_a_file_that_another_program_changed():
    """Its nodes count, not the text that it still has."""
    net = parse(NET, phase="test")
    model = exported(net)
    for node in model.graph.node:
        if node.name == "elu2":
            node.op_type = "Relu"
            del node.attribute[:]
    onnx.save(model, "x.onnx")
    found = import_onnx("x.onnx", check=False)
    assert found.net.layer("elu2").type == "ReLU"
    constants = {one.name: one for one in model.graph.initializer}
    constants["fc1.1"].CopyFrom(onnx.numpy_helper.from_array(np.arange(7, dtype=np.float32), "fc1.1"))
    onnx.save(model, "x.onnx")
    np.testing.assert_array_equal(import_onnx("x.onnx", check=False).read("fc1", 1), np.arange(7))
    model.graph.input[0].name = "renamed"
    for node in model.graph.node:
        node.input[:] = ["renamed" if name == "data" else name for name in node.input]
    onnx.save(model, "x.onnx")
    assert [blob.name for blob in import_onnx("x.onnx", check=False).net.inputs] == ["renamed"]
    next(one for one in model.graph.node if one.name == "elu2").op_type = "Erf"
    onnx.save(model, "x.onnx")
    with pytest.raises(NetdefError, match=r"node elu2 \(Erf\): no layer computes it"):
        import_onnx("x.onnx", check=False)


def test_other_weights_and_shapes():
    """What changes no node leaves the net's text in force."""
    text = """layer data: Input -> data { shape { dim: [1, 2, 6, 6] } } layer crop: MVN(data)
              layer fc: Convolution(crop) { num_output: 3 kernel_size: 2 param { lr_mult: 3 } }"""
    model = exported(parse(text, phase="test"), blank)
    assert NET_TEXT in {one.key for one in model.metadata_props}
    held = next(one for one in model.graph.initializer if one.name == "fc.1")
    held.CopyFrom(onnx.numpy_helper.from_array(np.array([1, 2, 3], np.float32), "fc.1"))
    onnx.save(model, "x.onnx")
    found = import_onnx("x.onnx", batch=5, check=False)
    assert found.net.blobs["data"].shape == (5, 2, 6, 6)
    assert [field.name for field, _ in found.message.ListFields()] == ["name", "layer"]
    assert found.net.layer("crop").type == "MVN"
    assert found.net.layer("fc").parameters[0].lr_mult == 3
    np.testing.assert_array_equal(found.read("fc", 1), [1, 2, 3])
