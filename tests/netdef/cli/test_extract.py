"""`netdef extract`: rows of blobs for each image, once and in order."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import runtime
from netdef import load
from netdef.cli.main import run
from runtime.data.database import open_database
from runtime.data.datum import decode_datum
from tests.netdef.cli import images


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Twenty images, which are five batches of four, or of three with two left; and weights."""
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path)
    with runtime.compile(load("shades.net", "test"), "cpu", seed=1) as exe:
        exe.save_weights("w.caffemodel")


def extract(*arguments):
    return run(["extract", "shades.net", "--weights", "w.caffemodel", *arguments])


def expected(batch=5):
    """conv, fc and label of all images, by running the net."""
    with runtime.compile(load("shades.net", "test", batch_size=batch), "cpu", keep="activations") as exe:
        exe.load_weights("w.caffemodel")
        rows = []
        for _ in range(20 // batch):
            exe.forward()
            rows.append([exe.blob(name) for name in ("conv", "fc", "label")])
    return [np.concatenate(arrays) for arrays in zip(*rows, strict=True)]


@pytest.mark.parametrize("batch", ["4", "3", "20"])
def test_hdf5_and_npz(batch, capsys):
    conv, fc, label = expected()
    assert extract("--blobs", "conv,fc,label", "--out", "x.h5", "--batch", batch) == 0
    assert "x.h5: conv 4 x 6 x 6, fc 2, label 1 of 20 images" in capsys.readouterr().out
    assert extract("--blobs", "conv,fc,label", "-o", "x.npz", "--batch", batch) == 0
    with h5py.File("x.h5") as file, np.load("x.npz") as arrays:
        for found in (file, arrays):
            assert set(found) == {"conv", "fc", "label"}
            np.testing.assert_allclose(found["conv"][()], conv, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(found["fc"][()], fc, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(found["label"][()], label)


@pytest.mark.parametrize("ending", ["lmdb", "leveldb"])
def test_databases_as_extract_features_writes_them(ending):
    conv, fc, _ = expected()
    assert extract("--blobs", "conv,fc", "-o", f"x.{ending}", "--batch", "3") == 0
    for name, rows, shape in (("conv", conv, (4, 6, 6)), ("fc", fc, (2, 1, 1))):
        database = open_database(f"x_{name}.{ending}")
        assert [database.key(index) for index in range(database.size)] == [b"%010d" % n for n in range(20)]
        datum = decode_datum(bytes(database.value(b"0000000007")))
        assert (datum.channels, datum.height, datum.width) == shape
        np.testing.assert_allclose(datum.floats, rows[7].reshape(-1), rtol=1e-5, atol=1e-6)
        database.close()
    assert extract("--blobs", "fc", "-o", f"one.{ending}", "--iterations", "2") == 0
    database = open_database(f"one.{ending}")
    assert database.size == 8
    database.close()
    assert extract("--blobs", "fc", "-o", f"one.{ending}") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--blobs", "fx", "-o", "x.h5"], "shades.net has no blob 'fx' in phase test"),
        (["--blobs", "loss", "-o", "x.h5"], "loss has the shape 1: no row for each of 4 images"),
        (["--blobs", "fc", "-o", "x.csv"], "x.csv: unknown ending"),
        (["--blobs", "fc", "-o", "none/x.h5"], "cannot write none/x.h5"),
    ],
)
def test_wrong_arguments_write_nothing(arguments, said, capsys):
    assert extract(*arguments) == 2
    assert said in capsys.readouterr().err
    assert not list(Path().glob("*x.*"))


@pytest.mark.parametrize("out", ["x.h5", "x.npz", "x.lmdb"])
def test_a_failure_leaves_nothing(out, capsys):
    with runtime.compile(load("shades.net", "test"), "cpu", seed=1) as exe:
        exe.set_param("fc", 1, np.array([1e38, 1e38]))
        exe.set_param("fc", 0, np.full((2, 144), 3e38))
        exe.save_weights("w.caffemodel")
    assert extract("--blobs", "fc", "-o", out) == 2
    assert "fc is not finite in batch 1" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["images", "shades.net", "solver.txt", "w.caffemodel"]
