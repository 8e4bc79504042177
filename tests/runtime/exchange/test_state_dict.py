"""Weights of other programs: the table that is proposed, the one that is given, and files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netdef import NetdefError, load, parse
from netdef.cli.main import run
from netdef.weights import read_weights
from runtime.exchange.arrays import read_safetensors, write_safetensors
from runtime.exchange.state_dict import fitted
from tests.runtime.exchange.nets import compiled

NET = """layer data: Input -> data { shape { dim: [1, 3, 8, 8] } }
layer conv1: Convolution(data) { num_output: 4 kernel_size: 3 pad: 1 bias_term: false }
layer bn1: BatchNorm(conv1)
layer scale1: Scale(bn1) -> bn1 { bias_term: true }
layer conv2/a: Convolution(bn1) { num_output: 4 kernel_size: 3 }
layer conv2/b: Convolution(bn1) { num_output: 4 kernel_size: 3 }
layer both: Concat(conv2/a, conv2/b)
layer slope: PReLU(both)
layer fc: InnerProduct(slope) { num_output: 5 transpose: true }
"""
SHAPES = {
    "stem.0.weight": (4, 3, 3, 3), "stem.1.weight": (4,), "stem.1.bias": (4,), "stem.1.running_mean": (4,),
    "stem.1.running_var": (4,), "branch_a.weight": (4, 4, 3, 3), "branch_a.bias": (4,), "branch_b.weight": (4, 4, 3, 3),
    "branch_b.bias": (4,), "act.weight": (8,), "head.weight": (5, 288), "head.bias": (5,),
}  # fmt: skip


@pytest.fixture(autouse=True)
def arrays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.net").write_text(NET)
    draws = np.random.default_rng(0)
    made = {name: draws.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    write_safetensors("x.safetensors", [*made.items(), ("stem.1.num_batches_tracked", np.array(7))])
    return made


def imported(*arguments, source="x.safetensors"):
    return run(["import", source, "--net", "x.net", "--weights", "w.caffemodel", *arguments])


def test_the_table_that_is_proposed(arrays, capsys):
    assert imported() == 0
    said = capsys.readouterr().out
    assert said.splitlines()[:6] == [
        "conv1/0 stem.0.weight",
        "bn1/0 stem.1.running_mean",
        "bn1/1 stem.1.running_var",
        "scale1/0 stem.1.weight",
        "scale1/1 stem.1.bias",
        "conv2/a/0 branch_a.weight  # others have its shape",
    ]
    held = read_weights("w.caffemodel")
    np.testing.assert_array_equal(held["conv2/b"][0], arrays["branch_b.weight"])
    np.testing.assert_array_equal(held["bn1"][2], [1])
    np.testing.assert_array_equal(held["scale1"][1], arrays["stem.1.bias"])
    np.testing.assert_array_equal(held["fc"][0], arrays["head.weight"].T)
    Path("names.txt").write_text(
        said.replace("branch_a", "branch_x").replace("branch_b", "branch_a").replace("branch_x", "branch_b")
    )
    assert imported("--names", "names.txt") == 0
    np.testing.assert_array_equal(read_weights("w.caffemodel")["conv2/b"][0], arrays["branch_a.weight"])


def test_names_go_before_order(arrays):
    named = {name.replace("branch_a", "conv2_b").replace("branch_b", "conv2_a"): array for name, array in arrays.items()}
    write_safetensors("x.safetensors", named.items())
    assert imported() == 0
    np.testing.assert_array_equal(read_weights("w.caffemodel")["conv2/a"][0], arrays["branch_b.weight"])


@pytest.mark.parametrize("out", ["y.npz", "y.safetensors", "torch"])
def test_what_netdef_exported(out):
    with compiled(load("x.net", phase="test")) as exe:
        exe.save_weights("a.caffemodel")
    assert run(["export", "x.net", "--weights", "a.caffemodel", "-o", out, *(["--to", "torch"] if out == "torch" else [])]) == 0
    assert imported(source=f"{out}/model.safetensors" if out == "torch" else out) == 0
    before, after = read_weights("a.caffemodel"), read_weights("w.caffemodel")
    assert after["bn1"][2] == (1.0 if out == "torch" else before["bn1"][2])
    divisor = 2.0 if out == "torch" else 1.0
    for name, held in before.items():
        for index, array in enumerate(held):
            if name != "bn1":
                np.testing.assert_array_equal(array, after[name][index])
    np.testing.assert_allclose(before["bn1"][0] / divisor, after["bn1"][0], rtol=1e-6)


def test_arrays_that_fit_both_ways():
    text = """layer data: Input -> data { shape { dim: [1, 3, 5, 5] } }
              layer conv: Convolution(data) { num_output: 4 kernel_h: 3 kernel_w: 1 }
              layer fc: InnerProduct(data) { num_output: 75 transpose: true }"""
    conv, _, square, _ = parse(text, phase="test").parameters
    array = np.arange(75.0 * 75).reshape(75, 75)
    np.testing.assert_array_equal(fitted(square, array, own=False), array.T)
    np.testing.assert_array_equal(fitted(square, array, own=True), array)
    assert fitted(conv, np.zeros((4, 3, 1, 3)), own=False) is None
    assert fitted(conv, np.zeros((4, 3, 3)), own=False).shape == (4, 3, 3, 1)


def test_numbers_that_are_not_finite(arrays, capsys):
    arrays["head.weight"] = arrays["head.weight"].astype(float)
    arrays["head.weight"][0, :2] = np.nan, 1e300  # more than a float32 holds
    np.savez("x.npz", **arrays)
    assert run(["import", "x.npz", "--net", "x.net", "--weights", "w.caffemodel"]) == 2
    said = capsys.readouterr().err
    assert "head.weight of x.npz holds numbers that are not finite: 1 NaN and 1 infinite of 1,440" in said
    assert not Path("w.caffemodel").exists()


@pytest.mark.parametrize("values", [np.full((4, 3, 3, 3), "a"), np.full((4, 3, 3, 3), 1j)])
def test_arrays_that_are_no_real_numbers(arrays, capsys, values):
    np.savez("x.npz", **{**arrays, "stem.0.weight": values})
    assert imported(source="x.npz") == 2
    assert f"stem.0.weight of x.npz holds {values.dtype}, which are no real numbers" in capsys.readouterr().err


def test_all_that_does_not_fit(arrays, capsys):
    del arrays["head.bias"]
    arrays["act.weight"] = arrays["act.weight"][:5]
    write_safetensors("x.safetensors", arrays.items())
    assert imported() == 2
    said = capsys.readouterr().err
    assert "x.safetensors has no array that fits for slope/0 (8)" in said
    assert "x.safetensors has no array that fits for fc/1 (5)" in said
    assert not Path("w.caffemodel").exists()
    Path("names.txt").write_text("slope/0 act.weight\nconv1/0 stem.0.wait\nconv9/0 stem.0.weight\n")
    assert imported("--names", "names.txt") == 2
    said = capsys.readouterr().err
    assert "act.weight of x.safetensors is 5, where slope/0 is 8" in said
    assert "has no array stem.0.wait for conv1/0" in said
    assert "the net has no parameter conv9/0" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("y.safetensors", b"", "its header would have"),
        ("y.safetensors", b"\xff" * 20, "its header would have"),
        ("y.safetensors", (9).to_bytes(8, "little") + b'{"a": 1} ', "is not a whole .safetensors file"),
        ("y.safetensors", (2).to_bytes(8, "little") + b"{}", "holds no arrays"),
        ("y.npz", b"PK\x03\x04", "is not a whole .npz file"),
    ],
)
def test_damaged_files(name, content, said, capsys):
    Path(name).write_bytes(content)
    assert imported(source=name) == 2
    assert said in capsys.readouterr().err


def test_a_safetensors_file_that_is_cut_short():
    whole = Path("x.safetensors").read_bytes()
    for size in range(0, len(whole), 301):
        Path("y.safetensors").write_bytes(whole[:size])
        with pytest.raises(NetdefError, match="is not a whole"):
            read_safetensors("y.safetensors")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x.safetensors", "--weights", "w.caffemodel"], "--net names the net"),
        (["x.safetensors", "--weights", "w.caffemodel", "--net", "x.net", "-o", "y.net"], "--out: it is about an ONNX file"),
        (["x.onnx", "--weights", "w.caffemodel", "--net", "x.net"], "--net: it is about a state_dict"),
        (["x.onnx", "--weights", "w.caffemodel"], "-o says where it goes"),
        (["none.npz", "--weights", "w.caffemodel", "--net", "x.net"], "there is no such file"),
    ],
)
def test_wrong_commands(arguments, said, capsys):
    assert run(["import", *arguments]) == 2
    assert said in capsys.readouterr().err
