"""What the rules make of ONNX files has the numbers that ONNX Runtime makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from netdef import NetdefError
from runtime.exchange.onnx_in.importing import import_onnx
from tests.runtime.exchange.onnx_in.models import node, onnx, weights, write

IMAGE = {"x": [2, 4, 9, 8]}
W, B, ONES = weights(6, 4, 3, 3), weights(6), np.ones(4, np.float32)
WHOLE = np.array([2, 4, 9, 8])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def types(found):
    return [layer.type for layer in found.net.layers if layer.type != "Input"]


CASES = {
    "convolution": ([node("Conv", "x w b", "y", pads=[1] * 4, strides=[2, 2])], {"w": W, "b": B}, ["Convolution"]),
    "groups": ([node("Conv", "x w", "y", group=2, dilations=[2, 1])], {"w": weights(6, 2, 3, 3)}, ["Convolution"]),
    "same": ([node("Conv", "x w", "y", auto_pad="SAME_UPPER")], {"w": W}, ["Convolution"]),
    "unread end": ([node("Conv", "x w", "y", pads=[1, 1, 1, 0], strides=[1, 2])], {"w": W}, ["Convolution"]),
    "zeros before": (
        [node("Pad", "x p", "z"), node("Conv", "z w", "y")], {"w": W, "p": np.array([0, 0, 1, 2, 0, 0, 1, 2])}, ["Convolution"],
    ),
    "zeros before a rule": (
        [node("Pad", "x p", "z"), node("Conv", "z w", "y", auto_pad="VALID")],
        {"w": W, "p": np.array([0, 0, 1, 2, 0, 0, 1, 2])}, ["Convolution"],
    ),
    "a node of the output's name": (
        [onnx.helper.make_node("Relu", ["x"], ["a"], name="y"), node("Concat", "a x", "y", axis=1)], {}, ["ReLU", "Concat"],
    ),
    "one output": ([node("MatMul", "x w", "m"), node("Add", "m b", "y")], {"w": weights(8, 1), "b": np.float32(2)},
                   ["InnerProduct", "Power"]),
    "transposed": (
        [node("ConvTranspose", "x w b", "y", strides=[2, 2], pads=[1] * 4, group=2)],
        {"w": weights(4, 3, 3, 3), "b": B}, ["Deconvolution"],
    ),
    "gemm": (
        [node("Flatten", "x", "f"), node("Gemm", "f w b", "y", transB=1, alpha=0.5, beta=2.0)],
        {"w": weights(5, 288), "b": weights(5)}, ["Flatten", "InnerProduct"],
    ),
    "gemm the other way": (
        [node("Reshape", "x s", "f"), node("Gemm", "f w", "y")],
        {"w": weights(288, 5), "s": np.array([2, -1])}, ["Flatten", "InnerProduct"],
    ),
    "product and sum": (
        [node("MatMul", "x w", "m"), node("Add", "b m", "y")], {"w": weights(8, 5), "b": weights(5)}, ["InnerProduct"],
    ),
    "batch normalisation": (
        [node("BatchNormalization", "x s b m v", "z", epsilon=1e-3), node("Relu", "z", "y")],
        {"s": weights(4), "b": weights(4), "m": weights(4), "v": ONES}, ["BatchNorm", "Scale", "ReLU"],
    ),
    "lrn": ([node("LRN", "x", "y", size=3, alpha=0.5, bias=2.0)], {}, ["LRN"]),
    "towers": (
        [node("Reshape", "x f", "a"), node("LRN", "a", "b", size=3, alpha=1.0), node("Reshape", "b w", "y")],
        {"f": np.array([4, 2, 9, 8]), "w": WHOLE}, ["LRN"],
    ),
    "functions": (
        [
            node("LeakyRelu", "x", "a", alpha=0.2), node("Elu", "a", "b"), node("Sigmoid", "b", "c"), node("Tanh", "c", "d"),
            node("Abs", "d", "e"), node("Softplus", "e", "f"), node("Sqrt", "f", "g"), node("Log", "g", "h"), node("Exp", "h", "i"),
            node("Neg", "i", "y"),
        ],
        {}, ["ReLU", "ELU", "Sigmoid", "TanH", "AbsVal", "BNLL", "Power", "Log", "Exp", "Power"],
    ),
    "clips": (
        [node("Clip", "x l h", "a"), node("Clip", "a z s", "b"), node("Clip", "b z", "y")],
        {"l": np.float32(-1), "h": np.float32(2), "z": np.float32(0), "s": np.float32(6)}, ["Clip", "ReLU6", "ReLU"],
    ),
    "slopes": (
        [node("PRelu", "x s", "a"), node("PRelu", "a t", "y")],
        {"s": weights(4, 1, 1), "t": np.array([0.3], np.float32)}, ["PReLU", "PReLU"],
    ),
    "swish": ([node("Sigmoid", "x", "a"), node("Mul", "x a", "y")], {}, ["Swish"]),
    "numbers": (
        [node("Mul", "x a", "p"), node("Add", "p b", "q"), node("Sub", "b q", "r"), node("Div", "r a", "s"),
         node("Pow", "s c", "y")],
        {"a": np.float32(2), "b": np.float32(0.5), "c": np.float32(2)}, ["Power"] * 5,
    ),
    "arrays": (
        [node("Mul", "x a", "p"), node("Add", "p b", "q"), node("Sub", "q c", "r"), node("Div", "r d", "y")],
        {"a": weights(4, 1, 1), "b": weights(1, 4, 1, 1), "c": weights(9, 8), "d": ONES.reshape(4, 1, 1) * 2},
        ["Scale", "Bias", "Scale"],
    ),
    "blobs": (
        [node("Relu", "x", "a"), node("Add", "x a", "b"), node("Sub", "b a", "c"), node("Mul", "c a", "d"), node("Max", "d x", "e"),
         node("Sum", "e x a", "y")],
        {}, ["ReLU"] + ["Eltwise"] * 5,
    ),
    "a number a channel": (
        [node("GlobalAveragePool", "x", "a"), node("Sigmoid", "a", "b"), node("Mul", "x b", "y")],
        {}, ["Pooling", "Sigmoid", "Reshape", "Scale"],
    ),
    "joined and cut": (
        [node("Split", "x", "a b", axis=1, num_outputs=2), node("Concat", "b a", "c", axis=-3), node("Slice", "c s e t", "y")],
        {"s": np.array([1, 2]), "e": np.array([-1, 99]), "t": np.array([1, 2])},
        ["Slice", "Concat", "Slice", "Silence", "Slice", "Silence"],
    ),
    "shapes": (
        [node("Transpose", "x", "a", perm=[0, 2, 3, 1]), node("Reshape", "a s", "b"), node("Unsqueeze", "b o", "c"),
         node("Squeeze", "c o", "d"), node("Softmax", "d", "y")],
        {"s": np.array([0, 12, -1]), "o": np.array([1])}, ["Permute", "Reshape", "Reshape", "Reshape", "Softmax"],
    ),
    "a shape that is computed": (
        [node("Shape", "x", "a"), node("Gather", "a z", "b"), node("Unsqueeze", "b z1", "c"), node("Concat", "c m", "d", axis=0),
         node("Reshape", "x d", "y")],
        {"z": np.int64(0), "z1": np.array([0]), "m": np.array([-1])}, ["Flatten"],
    ),
    "sum over the last axes": ([node("ReduceSum", "x a", "y", keepdims=0)], {"a": np.array([2, 3])}, ["Reduction"]),
    "sum of squares of all": ([node("ReduceSumSquare", "x", "y")], {}, ["Reduction", "Reshape"]),
    "mean of the last axis": ([node("ReduceMean", "x a", "y")], {"a": np.array([3])}, ["Reduction", "Reshape"]),
    "tiles": ([node("Tile", "x r", "y")], {"r": np.array([1, 2, 1, 3])}, ["Tile", "Tile"]),
    "expanded": (
        [node("GlobalAveragePool", "x", "p"), node("Expand", "p s", "y")], {"s": np.array([2, 4, 3, 1])}, ["Pooling", "Tile"],
    ),
    "channels in another order": (
        [node("Gather", "x i", "y", axis=1)], {"i": np.array([2, 0, -2, 2])}, ["Slice", "Silence", "Concat"],
    ),
    "channels that follow one another": ([node("Gather", "x i", "y", axis=1)], {"i": np.array([1, 2])}, ["Slice", "Silence"]),
    "one row": ([node("Gather", "x i", "y", axis=2)], {"i": np.array(4)}, ["Slice", "Silence", "Reshape"]),
    "all of an axis": ([node("Gather", "x i", "y", axis=1)], {"i": np.arange(4)}, ["Split"]),
    "one channel several times": ([node("Gather", "q i", "y", axis=1)], {"i": np.array([0, -1, 0])}, ["Tile"]),
    "hard sigmoid": ([node("HardSigmoid", "x", "y", alpha=0.3)], {}, ["Power", "Clip"]),
    "hard swish of a blob": ([node("Abs", "x", "a"), node("HardSwish", "a", "y")], {}, ["AbsVal", "Power", "Clip", "Eltwise"]),
    "hard swish": ([node("HardSwish", "x", "y")], {}, ["Power", "Clip", "Eltwise"]),
    "means": ([node("ReduceMean", "x a", "y", keepdims=0)], {"a": np.array([-1, -2])}, ["Pooling", "Flatten"]),
    "idle": (
        [node("Dropout", "x r", "a"), node("Identity", "a", "b"), node("LogSoftmax", "b", "y", axis=1)],
        {"r": np.float32(0.3)}, ["Dropout", "Softmax", "Log"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layers_of_nodes(name):
    nodes, constants, expected = CASES[name]
    inputs = {"q": [2, 1, 9, 8]} if "q" in nodes[0].input else IMAGE
    found = import_onnx(write(nodes, inputs, constants))
    assert types(found) == expected
    assert found.agreement.error < 5e-6
    assert np.isfinite(found.agreement.error)


def test_a_ratio_in_an_array():
    """Which ONNX Runtime refuses."""
    found = import_onnx(write([node("Dropout", "x r", "y")], IMAGE, {"r": np.array([0.3], np.float32)}), check=False)
    assert found.net.layers[-1].ratio == pytest.approx(0.3)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 2, 0), (2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 0)])
def test_pooling_rounds_as_the_node_does(kind, ceil, kernel, stride, pad):
    more = {"count_include_pad": 1} if kind == "AveragePool" and pad else {}
    window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": ceil}
    found = import_onnx(write([node(kind, "x", "y", **window, **more)], {"x": [1, 2, 8, 10]}))
    (layer,) = (one for one in found.net.layers if one.type == "Pooling")
    assert found.agreement.error < 1e-6
    exact = all((side + 2 * pad - kernel) % stride == 0 for side in (8, 10))
    assert layer.floor == (not ceil and not exact)


def of_whole_numbers(nodes, constants=None):
    """A file whose output y is of whole numbers."""
    model = onnx.load(write(nodes, IMAGE, constants))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    onnx.save(model, "x.onnx")
    return "x.onnx"


NOTE = "node n_y (ArgMax): of equal numbers the net takes the last, the file the first"


@pytest.mark.parametrize("last", [0, 1])
def test_the_largest_channel(last):
    found = import_onnx(of_whole_numbers([node("ArgMax", "x", "y", axis=-3, keepdims=0, select_last_index=last)]))
    assert types(found) == ["ArgMax", "Reshape"]
    assert found.agreement.error < 1e-6
    assert found.notes == (() if last else (NOTE,))


EQUAL = [node("Clip", "x z h", "a")], {"z": np.float32(0), "h": np.float32(0.1)}


def test_the_last_of_equal_channels():
    nodes, constants = EQUAL
    found = import_onnx(of_whole_numbers([*nodes, node("ArgMax", "a", "y", axis=1, select_last_index=1)], constants))
    assert found.agreement.error == 0


def test_the_first_of_equal_channels():
    nodes, constants = EQUAL
    path = of_whole_numbers([*nodes, node("ArgMax", "a", "y", axis=1)], constants)
    with pytest.raises(NetdefError, match=r"the net differs from that of x\.onnx") as error:
        import_onnx(path)
    assert error.value.diagnostics[0].hint == NOTE
    assert import_onnx(path, check=False).notes == (NOTE,)


REFUSED = {
    "GridSample": ([node("GridSample", "x g", "y")], {"g": weights(2, 9, 8, 2)}, "node n_y (GridSample): no layer computes it"),
    "padding": ([node("Conv", "x w", "y", pads=[0, 0, 1, 1])], {"w": W}, "its padding differs at both ends"),
    "mean": ([node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1] * 4)], {}, "its mean does not divide as Caffe's does"),
    "dilation": ([node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2])], {}, "a Pooling has no dilation"),
    "two paddings": (
        [node("Pad", "x p", "z"), node("Conv", "z w", "y", auto_pad="SAME_UPPER")],
        {"w": W, "p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, "its padding SAME_UPPER is added",
    ),
    "indices": ([node("MaxPool", "x", "a i", kernel_shape=[2, 2]), node("Cast", "i", "y", to=1)], {}, "its indices are read"),
    "weights": ([node("Conv", "x k", "y")], {}, "its weights are computed"),
    "broadcast": ([node("Add", "x b", "y")], {"b": weights(4, 1, 8)}, "does not lie along axes"),
    "division": ([node("Relu", "x", "a"), node("Div", "x a", "y")], {}, "one blob divided by another"),
    "sum of a number": (
        [node("ReduceSum", "x a", "s", keepdims=0), node("ReduceMean", "s", "y", keepdims=0)], {"a": np.arange(4)},
        "node n_y (ReduceMean): it is of a single number, without axes",
    ),
    "sum of nothing": ([node("ReduceSum", "x", "y", noop_with_empty_axes=1)], {}, "without axes it sums nothing"),
    "channel out of range": ([node("Gather", "x i", "y", axis=1)], {"i": np.array([1, 7])}, "7 is out of range: there are 4"),
    "statistics": (
        [node("BatchNormalization", "x s s s s", "y p q", training_mode=1)], {"s": ONES}, "it takes statistics of the batch",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_computes(name):
    nodes, constants, said = REFUSED[name]
    inputs = {**IMAGE, "k": [6, 4, 3, 3]} if name == "weights" else IMAGE
    with pytest.raises(NetdefError, match="node") as error:
        import_onnx(write(nodes, inputs, constants), check=False)
    assert said in str(error.value)


def test_all_nodes_that_no_layer_computes_at_once():
    nodes = [node("Erf", "x", "a"), node("Relu", "a", "b"), node("Cos", "x", "c"), node("Add", "b c", "y")]
    with pytest.raises(NetdefError) as error:
        import_onnx(write(nodes, IMAGE), check=False)
    assert [one.message for one in error.value.diagnostics] == [
        "x.onnx: node n_a (Erf): no layer computes it",
        "x.onnx: node n_c (Cos): no layer computes it",
    ]
