"""HDF5Output: what each run makes is appended, and the file is there whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from runtime.data import hdf5_output

h5py = pytest.importorskip("h5py")
NET = """
layer x: Input -> x, t {{ shape {{ dim: 3 dim: 2 dim: 4 dim: 5 }} shape {{ dim: 3 }} }}
layer a: TanH(x)
layer out: HDF5Output(a, t) {{ file_name: "{name}" }}
layer b: ReLU(a) -> a
layer loss: SoftmaxWithLoss(a, labels) {{ softmax_param {{ axis: 1 }} }}
"""
LABELS = "layer labels: Input { shape { dim: 3 dim: 4 dim: 5 } }"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def net(name: str = "out.h5") -> netdef.Net:
    return netdef.parse(LABELS + NET.format(name=name), phase="train")


def batch(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (3, 4, 5))
    return {"x": rng.standard_normal((3, 2, 4, 5), np.float32), "t": rng.integers(0, 9, 3), "labels": labels}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:0"])
@pytest.mark.parametrize("training", [False, True])
def test_runs_are_appended(folder: Path, devices: str, training: bool) -> None:
    """As they are where the layer stands: the ReLU behind it works in place."""
    with runtime.compile(net(), devices, backward=training) as exe:
        for seed in range(3):
            if training:
                exe.run_training(update=False, **batch(seed))
            else:
                exe.forward(**batch(seed))
        assert "out.h5" not in files(folder)
    assert files(folder) == ["out.h5"]
    with h5py.File("out.h5") as file:
        assert file["data"].dtype == file["label"].dtype == np.float32
        expected = np.concatenate([np.tanh(batch(seed)["x"]) for seed in range(3)])
        np.testing.assert_allclose(file["data"], expected, rtol=1e-5)
        np.testing.assert_array_equal(file["label"], np.concatenate([batch(s)["t"] for s in range(3)])[:, None, None, None])


def test_without_a_run_there_is_no_file(folder: Path) -> None:
    runtime.compile(net()).close()
    assert files(folder) == []


@pytest.mark.parametrize("inside", [False, True], ids=["after", "in"])
def test_a_run_that_fails_leaves_the_file_of_before(folder: Path, inside: bool) -> None:
    (folder / "out.h5").write_text("of before")

    def fail() -> None:
        with runtime.compile(net(), threads=1) as exe:
            exe.forward(**batch(0))
            if inside:
                exe.forward(**{**batch(0), "labels": np.full((3, 4, 5), 7)})
            raise OSError("something else")

    with pytest.raises(NetdefError if inside else OSError, match="label" if inside else "something else"):
        fail()
    assert files(folder) == ["out.h5"] and (folder / "out.h5").read_text() == "of before"


def test_a_run_after_one_that_failed_begins_anew(folder: Path) -> None:
    exe = runtime.compile(net(), threads=1)
    exe.forward(**batch(0))
    with pytest.raises(NetdefError, match="label"):
        exe.forward(**{**batch(0), "labels": np.full((3, 4, 5), 7)})
    exe.forward(**batch(1))
    exe.close()
    with h5py.File("out.h5") as file:
        np.testing.assert_allclose(file["data"], np.tanh(batch(1)["x"]), rtol=1e-5)


def test_a_file_that_cannot_be_written(folder: Path) -> None:
    exe = runtime.compile(net("nowhere/out.h5"), threads=1)
    with pytest.raises(NetdefError, match=r"cannot write nowhere/out\.h5"):
        exe.forward(**batch(0))
    exe.close()
    assert files(folder) == []


def test_two_layers_with_one_file(folder: Path) -> None:
    text = LABELS + NET.format(name="out.h5") + 'layer again: HDF5Output(a, t) { file_name: "./out.h5" }'
    with pytest.raises(NetdefError, match=r"HDF5Output again: \./out\.h5 is the file of layer out too"):
        runtime.compile(netdef.parse(text, phase="train"))


def test_h5py_is_missed_before_anything_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        NetdefError, match=r"layer out, an HDF5Output, needs h5py, which is not installed\n.*pip install 'h5py>=3.8'"
    ):
        runtime.compile(net())


def test_many_axes_stay(folder: Path) -> None:
    layer = netdef.parse(LABELS + NET.format(name="out.h5")).layer("out")
    output = hdf5_output.Hdf5Output(layer)
    output.append({"data": np.ones((2, 1, 3, 1, 2), np.float32)})
    output.close()
    with h5py.File("out.h5") as file:
        assert file["data"].shape == (2, 1, 3, 1, 2)
