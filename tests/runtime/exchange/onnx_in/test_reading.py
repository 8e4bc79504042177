"""Files that are no ONNX, damaged, of other opsets, with loops, or with open shapes: one message each."""

from __future__ import annotations

from pathlib import Path

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


def test_a_name_that_is_not_utf8():
    """Protobuf looks at a text only when it is asked for."""
    data = Path(small()).read_bytes()
    model = onnx.load_model_from_string(data)
    name = model.graph.name.encode()
    Path("x.onnx").write_bytes(data.replace(name, b"\xff" * len(name)))
    with pytest.raises(NetdefError, match=r"x\.onnx is not a whole ONNX file: a text in it is not UTF-8"):
        import_onnx("x.onnx", check=False)
