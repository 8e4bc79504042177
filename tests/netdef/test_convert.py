"""Networks between their forms."""

from itertools import pairwise
from pathlib import Path

import pytest

import netdef
from netdef import NetdefError
from netdef.cli.main import run
from netdef.convert import convert
from netdef.language import read_file
from netdef.language.find import models_folder

MODEL = "tests/goldens/files/snap_iter_4.caffemodel"


def message(path):
    return read_file(str(path), "NetParameter").message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "caffenet_norm_first", "lenet"])
def test_all_forms_and_back(tmp_path, name, capsys):
    """.net -> .prototxt -> binary -> .prototxt -> .net: one network all along."""
    before = message(models_folder() / f"{name}.net")
    files = [str(models_folder() / f"{name}.net")]
    files += [str(tmp_path / f"{index}{ending}") for index, ending in enumerate((".prototxt", ".binaryproto", ".prototxt", ".net"))]
    for source, target in pairwise(files):
        assert run(["convert", source, target]) == 0
        assert message(target) == before
    assert f"{files[3]} -> {files[4]}: {len(before.layer)} layers\n" in capsys.readouterr().out
    assert netdef.load(files[-1], "train").totals == netdef.load(name, "train").totals


def test_comments_go_along(tmp_path):
    convert(str(models_folder() / "alexnet.net"), str(tmp_path / "x.prototxt"))
    assert "# 96 % of the parameters." in (tmp_path / "x.prototxt").read_text()


@pytest.mark.slow
def test_weights_that_are_too_many_for_a_text(tmp_path, monkeypatch):
    monkeypatch.setattr("netdef.convert.MOST_TEXT", 1 << 17)
    trained = message(MODEL)
    large, text = tmp_path / "x.caffemodel", tmp_path / "x.prototxt"
    blob = next(blob for layer in trained.layer for blob in layer.blobs)
    for count in (18_750, 12_500):  # by the count; only once they are printed
        blob.data[:] = [-0.123456789] * count
        blob.shape.dim[:] = [count]
        large.write_bytes(trained.SerializeToString())
        with pytest.raises(NetdefError, match=r"would take [\d]+ MiB or more"):
            convert(str(large), str(text), weights=True)
        assert not text.exists()
    convert(str(large), str(text))


def test_weights(tmp_path):
    trained = message(MODEL)
    held = sum(len(layer.blobs) for layer in trained.layer)
    assert held
    same = str(tmp_path / "x.caffemodel")
    assert convert(MODEL, same).endswith(f"with {held} arrays of weights")
    assert message(same) == trained
    text = str(tmp_path / "x.prototxt")
    assert convert(MODEL, text).endswith(f"without its {held} arrays of weights")
    assert "blobs" not in Path(text).read_text()
    convert(MODEL, text, weights=True)
    assert message(text) == trained
    convert(text, same)
    assert message(same) == trained
    convert(MODEL, same, weights=False)
    assert not any(len(layer.blobs) for layer in message(same).layer)


def test_older_formats(tmp_path):
    target = tmp_path / "x.prototxt"
    convert("tests/goldens/files/v0.prototxt", str(target))
    assert message(target) == message("tests/goldens/files/v0.upgraded.prototxt")
    assert "layers {" not in target.read_text()


@pytest.mark.parametrize(
    ("source", "target", "options", "said"),
    [
        ("models/alexnet.net", "x.onnx", [], "x.onnx: unknown ending\n    endings: .net, .prototxt"),
        ("models/alexnet.net", "x", [], "x: unknown ending"),
        ("models/alexnet.net", "x.caffemodel.h5", [], "alexnet.net holds no weights"),
        ("models/solver.txt", "x.h5", [], "solver.txt is a solver: it has no binary form"),
        ("models/alexnet.net", "x.caffemodel", ["--weights"], "alexnet.net holds no weights"),
        ("missing.net", "x.caffemodel", [], "there is no file missing.net"),
        ("alexnett", "x.caffemodel", [], "did you mean alexnet?"),
        ("models/alexnet.net", "nowhere/x.net", [], "cannot write nowhere/x.net: No such file or directory\n    there is no"),
        ("models/solver.txt", "x.caffemodel", [], "solver.txt is a solver: it has no binary form"),
        ("models/solver.txt", "x.txt", ["--weights"], "solver.txt is a solver: it has no weights"),
    ],
)
def test_invalid_conversions_write_nothing(source, target, options, said, capsys, tmp_path, monkeypatch):
    path = str(models_folder().resolve().parent / source) if source.startswith("models") else source
    monkeypatch.chdir(tmp_path)
    assert run(["convert", path, target, *options]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_errors_writes_nothing(tmp_path, capsys):
    (tmp_path / "x.net").write_text("layer a: RLU(b)")
    assert run(["convert", str(tmp_path / "x.net"), str(tmp_path / "y.prototxt")]) == 2
    assert "did you mean ReLU?" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.net"]


def test_a_file_onto_itself(tmp_path):
    text = (models_folder() / "lenet.net").read_text()
    (tmp_path / "x.net").write_text(text)
    convert(str(tmp_path / "x.net"), str(tmp_path / "x.net"))
    assert (tmp_path / "x.net").read_text() == text


def test_the_name_of_a_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["convert", "caffenet_norm_first", "x.prototxt"]) == 0
    assert "-> x.prototxt: 28 layers\n" in capsys.readouterr().out
    assert netdef.load("x.prototxt").totals == netdef.load("caffenet_norm_first").totals


def test_solvers(tmp_path):
    before = read_file(str(models_folder() / "solver.txt"), "SolverParameter")
    target = str(tmp_path / "x.prototxt")
    assert convert(str(models_folder() / "solver.txt"), target).endswith(f"solver.txt -> {target}: a solver")
    assert read_file(target, "SolverParameter").message == before.message
    (tmp_path / "old.prototxt").write_text("net: 'x'  # of old\nsolver_type: ADAGRAD\n")
    convert(str(tmp_path / "old.prototxt"), target)
    assert Path(target).read_text() == 'net: "x"  # of old\ntype: "AdaGrad"\n'


def test_includes_must_resolve_from_the_new_folder(tmp_path):
    (tmp_path / "base.net").write_text("layer a: Input { shape { dim: [1, 2] } }")
    (tmp_path / "x.net").write_text('include "base.net"\nlayer b: ReLU(a)\n')
    (tmp_path / "there").mkdir()
    with pytest.raises(NetdefError, match=r"there/x.net would not find what .*x.net includes\n +convert to .prototxt"):
        convert(str(tmp_path / "x.net"), str(tmp_path / "there" / "x.net"))
    assert not list((tmp_path / "there").iterdir())
    convert(str(tmp_path / "x.net"), str(tmp_path / "there" / "x.prototxt"))
    assert message(tmp_path / "there" / "x.prototxt") == message(tmp_path / "x.net")
    (tmp_path / "there" / "base.net").write_text("layer a: Input { shape { dim: [1, 2] } }")
    convert(str(tmp_path / "x.net"), str(tmp_path / "there" / "x.net"))
    assert message(tmp_path / "there" / "x.net") == message(tmp_path / "x.net")
