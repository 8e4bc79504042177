"""HDF5 files as the source of `netdef data convert`, `mean` and `pca`."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from netdef.cli.main import run
from runtime.data.database import open_database
from runtime.data.datum import decode_datum
from runtime.data.mean import read_mean

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 5, 4), np.uint8)
LABELS = np.array([3, 1, 2, 0, 1, 3, 2])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name="a.h5", images=IMAGES, labels=LABELS, **others):
    with h5py.File(name, "w") as file:
        for key, value in {"data": images, "label": labels, **others}.items():
            if value is not None:
                file[key] = value
    return name


def records(path):
    database = open_database(path)
    found = [decode_datum(bytes(database.value(database.key(index)))) for index in range(database.size)]
    database.close()
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16])
def test_whole_numbers_of_any_type_become_bytes(dtype, capsys):
    write(images=IMAGES.astype(dtype), labels=LABELS.astype(np.float32)[:, None])
    assert run(["data", "convert", "a.h5", "out"]) == 0
    assert "out: 7 records, LMDB" in capsys.readouterr().out
    found = records("out")
    assert [datum.label for datum in found] == LABELS.tolist()
    np.testing.assert_array_equal([datum.pixels.transpose(2, 0, 1) for datum in found], IMAGES)
    assert found[0].floats is None


def test_other_numbers_stay_floats_and_come_back(capsys):
    numbers = IMAGES.astype(np.float32) / 256
    write(images=numbers)
    assert run(["data", "convert", "a.h5", "out", "--backend", "leveldb", "--shuffle"]) == 0
    assert run(["data", "convert", "out", "b.h5"]) == 0
    with h5py.File("b.h5") as file:
        order = [next(i for i in range(7) if (numbers[i] == row).all()) for row in file["data"]]
        assert sorted(order) == list(range(7)) != order
        assert file["label"][()].tolist() == LABELS[order].tolist()
    assert run(["data", "convert", "a.h5", "files", "--backend", "folder"]) == 2
    assert "4 of the first 4 records of a.h5 cannot be read: too many" in capsys.readouterr().err


def test_a_list_of_files_is_one_source():
    Path("sub").mkdir()
    write("sub/a.h5", IMAGES[:3], LABELS[:3])
    with h5py.File("sub/b.h5", "w") as file:
        file.create_dataset("data", data=IMAGES[3:].astype(np.float32), chunks=(2, 3, 5, 4), compression="gzip")
        file["label"] = LABELS[3:]
    Path("sub/list.txt").write_text("a.h5\nb.h5\n")
    assert run(["data", "convert", "sub/list.txt", "out"]) == 0
    np.testing.assert_array_equal([datum.pixels.transpose(2, 0, 1) for datum in records("out")], IMAGES)
    Path("sub/list.txt").write_text("a.h5\nnone.h5\n")
    assert run(["data", "convert", "sub/list.txt", "other"]) == 2


def test_mean_and_components_take_no_account_of_labels(capsys):
    write(labels=None, several=np.zeros((7, 2)))
    assert run(["data", "mean", "a.h5", "mean.npy", "--threads", "2"]) == 0
    np.testing.assert_array_equal(read_mean("mean.npy", 3), IMAGES.mean(axis=0, dtype=np.float64).astype(np.float32))
    assert run(["data", "pca", "a.h5"]) == 0
    captured = capsys.readouterr()
    assert "mean of 7 images of 3 x 5 x 4" in captured.out and "color_eigenvalue: [" in captured.out
    assert captured.err == ""


def test_other_datasets_are_said_and_can_be_named(capsys):
    write(images=None, a=IMAGES, b=IMAGES[::-1], label=LABELS, many=np.zeros((7, 2)), real=np.full(7, 0.5))
    assert run(["data", "convert", "a.h5", "out", "--datasets", "b,label"]) == 0
    assert "a.h5: a, many, real are left out" in capsys.readouterr().err
    np.testing.assert_array_equal(records("out")[0].pixels.transpose(2, 0, 1), IMAGES[6])
    for datasets, said in (
        ("data,label", "a.h5 has no dataset data of numbers"),
        ("a,many", "many has 2 numbers for each row, and a record has one label"),
        ("a,real", "row 0 of real is 0.5: the label of a record is a whole number"),
        ("label,label", "dataset label is 7, not images of N x C x H x W"),
        ("a,b,c", "--datasets a,b,c are no datasets"),
    ):
        assert run(["data", "convert", "a.h5", "wrong", "--datasets", datasets]) == 2
        assert said in capsys.readouterr().err
    assert not Path("wrong").exists()


def test_numbers_that_are_not_finite_are_left_out(capsys):
    images = IMAGES.astype(np.float32)
    images[2, 0, 0, 0] = np.nan
    write(images=images)
    assert run(["data", "convert", "a.h5", "out"]) == 0
    assert "skipping row 2 of data of a.h5: it has numbers that are not finite" in capsys.readouterr().err
    assert len(records("out")) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.h5", "out", "--gray"], "a.h5 is in HDF5: its records are copied as they are"),
        (["images", "out", "--datasets", "data"], "images is not HDF5, which has datasets"),
        (["cut.h5", "out"], "cut.h5 is not a whole HDF5 file"),
        (["fewer.h5", "out"], "fewer.h5 has 7 rows of data, and 6 of label"),
        (["list.txt", "out"], "a row of data is 1 x 5 x 4, in a.h5 it is 3 x 5 x 4"),
        (["empty.h5", "out"], "empty.h5 has no rows"),
    ],
)
def test_wrong_files(arguments, said, capsys):
    Path("images/a").mkdir(parents=True)
    write()
    write("fewer.h5", labels=LABELS[:6])
    write("gray.h5", images=IMAGES[:, :1])
    write("empty.h5", images=IMAGES[:0], labels=LABELS[:0])
    Path("list.txt").write_text("a.h5\ngray.h5\n")
    Path("cut.h5").write_bytes(Path("a.h5").read_bytes()[:600])
    assert run(["data", "convert", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not Path("out").exists()
