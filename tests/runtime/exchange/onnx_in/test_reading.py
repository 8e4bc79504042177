"""Files that are no ONNX, damaged, of other opsets, with loops, or with open shapes: one message each."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from netdef import NetdefError
from netdef.cli.main import run
from runtime.exchange.onnx_in.importing import import_onnx
from runtime.exchange.onnx_in.reading import read_model
from tests.runtime.exchange.onnx_in.models import node, onnx, weights, write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def small(**more):
    return write([node("Conv", "x w", "y")], {"x": [1, 2, 5, 5]}, {"w": weights(3, 2, 3, 3)}, **more)


def refused(path):
    with pytest.raises(NetdefError) as error:
        read_model(path)
    (diagnostic,) = error.value.diagnostics
    return diagnostic.message


def test_a_file_that_is_none():
    Path("net.onnx").write_text("layer data: Input -> data { shape { dim: 1 } }")
    assert refused("net.onnx") == "net.onnx is not an ONNX file, it is a net in text"
    Path("empty.onnx").write_bytes(b"")
    assert "empty.onnx" in refused("empty.onnx")
    assert refused("none.onnx").startswith("cannot read none.onnx")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short(share):
    whole = Path(small()).read_bytes()
    Path("x.onnx").write_bytes(whole[: int(len(whole) * share)])
    assert "x.onnx is not a" in refused("x.onnx")


def test_opsets():
    assert refused(small(opset=30)) == "x.onnx has opset 30; netdef reads opsets 7 to 24"
    assert refused(small(opset=6)) == "x.onnx has opset 6; netdef reads opsets 7 to 24"
    assert read_model(small(opset=7)).opset == 7


def test_loops():
    body = onnx.helper.make_graph([node("Identity", "c", "d")], "body", [], [onnx.helper.make_tensor_value_info("d", 1, None)])
    loop = onnx.helper.make_node("If", ["c"], ["y"], name="choice", then_branch=body, else_branch=body)
    path = write([loop], {"x": [1, 2]}, {"c": [True]})
    assert refused(path) == "x.onnx has loops or branches, which a net cannot have: choice (If)"


def test_open_shapes():
    path = write([node("Relu", "x", "y")], {"x": ["n", 3, "h", "w"]})
    assert refused(path) == "x.onnx leaves the shape of its input x open: 1 x 3 x ? x ?"
    assert read_model(path, shapes={"x": (2, 3, 4, 5)}).shapes["y"] == (2, 3, 4, 5)
    path = write([node("Relu", "x", "y")], {"x": ["n", 3]})
    assert read_model(path, batch=4).shapes["y"] == (4, 3)
    with pytest.raises(NetdefError, match="has no input z"):
        read_model(path, shapes={"z": (1, 2)})


def test_weights_beside_the_file(monkeypatch):
    """They are read one by one: together they may be more than a message of protobuf holds."""
    graph = [node("Flatten", "x", "f"), node("Gemm", "f w", "g"), node("Reshape", "g s", "y")]
    held = {"w": weights(64, 40), "s": np.array([1, 40, 1, 1])}
    model = onnx.load(write(graph, {"x": [1, 1, 8, 8]}, held))
    onnx.save(model, "y.onnx", save_as_external_data=True, location="y.data", size_threshold=0)
    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", infer_without(onnx.shape_inference.infer_shapes))
    found = read_model("y.onnx")
    np.testing.assert_array_equal(found.constants["w"], held["w"])
    assert found.shapes["y"] == (1, 40, 1, 1)
    Path("y.data").write_bytes(Path("y.data").read_bytes()[:5000])
    assert "y.onnx is not a whole ONNX file" in refused("y.onnx")
    Path("y.data").unlink()
    assert "y.data" in refused("y.onnx")


def infer_without(infer):
    """Shape inference that fails where it is given weights."""

    def checked(model, **options):
        assert max(len(one.raw_data) for one in model.graph.initializer) < 1000
        return infer(model, **options)

    return checked


def test_a_missing_file_is_named_before_a_missing_package(monkeypatch, capsys):
    for package in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    assert run(["import", "none.onnx", "-o", "n.net", "--weights", "w.caffemodel"]) == 2
    assert capsys.readouterr().err.startswith("error: cannot read none.onnx")
    small()
    assert run(["import", "x.onnx", "-o", "n.net", "--weights", "w.caffemodel"]) == 2
    assert "needs onnx, which is not installed" in capsys.readouterr().err


def test_nothing_is_written_where_one_of_two_files_cannot_be(capsys):
    small()
    Path("n.net").mkdir()
    Path("w.caffemodel").write_text("what was there")
    assert run(["import", "x.onnx", "-o", "n.net", "--weights", "w.caffemodel"]) == 2
    assert "cannot write n.net: Is a directory" in capsys.readouterr().err
    assert Path("w.caffemodel").read_text() == "what was there"
    assert run(["import", "x.onnx", "-o", "m.net", "--weights", "n.net/no/such.caffemodel", "--no-check"]) in (0, 2)
    assert Path("m.net").exists() == Path("n.net/no/such.caffemodel").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.onnx", "-o", "n.prototxt", "--weights", "w.caffemodel"], "cannot read none.onnx"),
        (["x.onnx", "-o", "n.txt", "--weights", "w.caffemodel"], "n.txt: unknown ending"),
        (["x.onnx", "-o", "n.net", "--weights", "w.bin"], "w.bin: unknown ending"),
        (["x.onnx", "-o", "n.net", "--weights", "w.caffemodel", "--shape", "x"], "x is no NAME=1x3x224x224"),
    ],
)
def test_wrong_commands_write_nothing(arguments, said, capsys):
    small()
    assert run(["import", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["x.onnx"]


@pytest.mark.parametrize("name", [b"the graph", b"the node", b"the input"])
def test_a_name_that_is_not_utf8(name):
    """Protobuf looks at a text only when it is asked for."""
    model = onnx.load_model_from_string(Path(small()).read_bytes())
    model.graph.name, model.graph.node[0].name, model.graph.node[0].doc_string = "the graph", "the node", "the input"
    data = model.SerializeToString()
    Path("x.onnx").write_bytes(data.replace(name, b"\xff" * len(name)))
    with pytest.raises(NetdefError, match=r"x\.onnx is not a whole ONNX file: a text in it is not UTF-8"):
        import_onnx("x.onnx", check=False)


@pytest.mark.parametrize("kind", ["UNDEFINED", "FLOAT", "STRING"])
def test_an_attribute_of_another_type(kind):
    model = onnx.load_model_from_string(Path(small()).read_bytes())
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("pads", [0, 0, 0, 0]))
    attribute = next(one for one in model.graph.node[0].attribute if one.name == "pads")
    attribute.type = getattr(onnx.AttributeProto, kind)
    Path("x.onnx").write_bytes(model.SerializeToString())
    assert refused("x.onnx").startswith("x.onnx is not a whole ONNX file: attribute pads of node n_y is of another type")


@pytest.mark.parametrize(
    ("kind", "reads", "makes", "said"),
    [
        ("Relu", "x", "", "node a names no output"),
        ("Identity", "", "y", "node a lacks its input input"),
        ("Concat", "", "y", "node a lacks its input 1"),
        ("MaxPool", "x", "y", "node a lacks its attribute kernel_shape"),
    ],
)
def test_a_node_that_lacks_something(kind, reads, makes, said):
    settings = {"axis": 1} if kind == "Concat" else {}
    lacking = onnx.helper.make_node(kind, reads.split(), makes.split(), name="a", **settings)
    path = write([lacking, node("Relu", "x", "z")], {"x": [1, 2, 5, 5]}, {})
    assert refused(path).startswith(f"x.onnx is not a whole ONNX file: {said}")


def test_weights_that_are_not_finite():
    held = weights(3, 2, 3, 3)
    held[0, 0, 0, :2] = np.nan, np.inf
    path = write([node("Conv", "x w", "y")], {"x": [1, 2, 5, 5]}, {"w": held})
    with pytest.raises(
        NetdefError, match=r"x\.onnx holds numbers that are not finite, in\n  \S+/0 \(3 x 2 x 3 x 3\): 1 NaN and 1 "
    ):
        import_onnx(path, check=False)


def test_shapes_that_follow_from_computed_constants():
    """Half of the channels, counted by the graph itself, as tracing writes a chunk."""
    nodes = [
        node("Relu", "x", "r"),
        node("Shape", "r", "sizes"),
        node("Gather", "sizes one", "channels", axis=0),
        node("Div", "channels two", "half"),
        node("Slice", "r half channels one", "second"),
        node("Conv", "second w", "c"),
        node("Shape", "c", "made"),
        node("Gather", "made zero", "images", axis=0),
        node("Concat", "images rest", "wanted", axis=0),
        node("Reshape", "c wanted", "y"),
    ]
    numbers = {name: np.array([value]) for name, value in (("zero", 0), ("one", 1), ("two", 2), ("rest", -1))}
    write(nodes, {"x": (2, 6, 4, 4)}, {**numbers, "w": weights(5, 3, 3, 3)})
    found = import_onnx("x.onnx")
    assert [layer.type for layer in found.net.layers][-2:] == ["Convolution", "Flatten"]
    assert found.net.blobs["y"].shape == (2, 20) and found.agreement.error < 1e-5
