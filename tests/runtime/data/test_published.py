"""MNIST and CIFAR-10 from files as they are published."""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdef.cli.main import run
from runtime.data.classes import classes_in
from runtime.data.database import open_database
from runtime.data.datum import decode_datum

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist(pack=bytes, end="", count=5):
    """A small MNIST; returns its arrays by phase."""
    made = {}
    Path("mnist").mkdir()
    for phase, prefix in (("train", "train"), ("test", "t10k")):
        random = np.random.default_rng(len(phase))
        images, labels = random.integers(0, 256, (count, 28, 28), np.uint8), random.integers(0, 10, count).astype(np.uint8)
        Path(f"mnist/{prefix}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
        Path(f"mnist/{prefix}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))
        made[phase] = images, labels
    return made


def cifar(count=2):
    """The files of a small CIFAR-10, by name."""
    random = np.random.default_rng(3)
    files = {f"{name}.bin": random.integers(0, 256, (count, 3073), np.uint8)
             for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")}  # fmt: skip
    for batch in files.values():
        batch[:, 0] %= 10
    return {**{name: batch.tobytes() for name, batch in files.items()}, "batches.meta.txt": "\n".join(NAMES).encode() + b"\n\n"}


def records(path):
    database = open_database(path)
    keys = [database.key(index) for index in range(database.size)]
    found = [(key, decode_datum(bytes(database.value(key)))) for key in keys]
    database.close()
    return found


@pytest.mark.parametrize(("pack", "end"), [(bytes, ""), (gzip.compress, ".gz")])
def test_mnist_as_convert_mnist_data_writes_it(pack, end, capsys):
    made = mnist(pack, end)
    assert run(["data", "convert_mnist_data", "mnist", "out"]) == 0
    assert "out_train: 5 records, LMDB\nout_test: 5 records, LMDB\n" in capsys.readouterr().out
    for phase, (images, labels) in made.items():
        found = records(f"out_{phase}")
        assert [key for key, _ in found] == [b"%08d" % n for n in range(5)]
        assert [datum.label for _, datum in found] == labels.tolist()
        assert [bytes(datum.data) for _, datum in found] == [image.tobytes() for image in images]
        assert (found[0][1].channels, found[0][1].height, found[0][1].width) == (1, 28, 28)


def test_padded_to_32_x_32():
    made = mnist()
    assert run(["data", "mnist", "mnist", "out", "--pad", "2"]) == 0
    datum = records("out_train")[3][1]
    np.testing.assert_array_equal(datum.pixels[:, :, 0], np.pad(made["train"][0][3], 2))
    assert run(["data", "mnist", "mnist", "other", "--pad", "-1"]) == 2


def test_mnist_as_folders_that_training_reads(capsys):
    made = mnist()
    assert run(["data", "mnist", "mnist", "out", "--backend", "folder"]) == 0
    labels = made["train"][1].tolist()
    assert sorted(path.name for path in Path("out/train").iterdir()) == sorted({str(label) for label in labels})
    np.testing.assert_array_equal(np.asarray(Image.open(f"out/train/{labels[2]}/00000002.png")), made["train"][0][2])
    assert run(["data", "mnist", "mnist", "out", "--backend", "folder"]) == 2
    assert "exist already" in capsys.readouterr().err


@pytest.mark.parametrize("archive", [True, False])
def test_cifar10(archive):
    files, source = cifar(), "cifar-10-batches-bin"
    if archive:
        source = "cifar-10-binary.tar.gz"
        with tarfile.open(source, "w:gz") as made:
            for name, data in files.items():
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))
    else:
        Path(source).mkdir()
        for name, data in files.items():
            (Path(source) / name).write_bytes(data)
    assert run(["data", "cifar10", source, "out"]) == 0
    assert run(["data", "cifar10", source, "red", "--rgb"]) == 0
    third = files["data_batch_2.bin"][:3073]  # the first image of the second batch of two
    key, datum = records("out_train")[2]
    assert (key, datum.label, datum.channels, datum.height) == (b"00002", third[0], 3, 32)
    assert bytes(datum.data) == third[2049:] + third[1025:2049] + third[1:1025]  # blue, green, red
    assert bytes(records("red_train")[2][1].data) == third[1:]
    assert classes_in("out_test") == tuple(NAMES)
    assert len(records("out_test")) == 2


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("train-images-idx3-ubyte", None, "has no train-images-idx3-ubyte"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x01", "is not an IDX file of uint8 with 3 axes"),
        (
            "train-images-idx3-ubyte",
            idx(np.zeros((5, 2, 2), np.uint8))[:-1],
            "is damaged: it says 5 x 2 x 2, and holds 19 numbers of 20",
        ),
        ("train-labels-idx1-ubyte", idx(np.zeros(4, np.uint8)), "has 5 images, mnist/train-labels-idx1-ubyte 4 labels"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((0, 2, 2), np.uint8)), "is empty"),
    ],
)
def test_damaged_mnist(name, data, said, capsys):
    mnist()
    path = Path("mnist", name)
    path.unlink() if data is None else path.write_bytes(data)
    assert run(["data", "mnist", "mnist", "out"]) == 2
    assert said in capsys.readouterr().err
    assert not list(Path().glob("*out*"))


def test_damaged_cifar10(capsys):
    Path("c").mkdir()
    assert run(["data", "cifar10", "none", "out"]) == 2
    assert "there is no none" in capsys.readouterr().err
    assert run(["data", "cifar10", "c", "out"]) == 2
    assert "cannot read c/data_batch_1.bin" in capsys.readouterr().err
    for name, data in cifar().items():
        Path("c", name).write_bytes(data[:-1] if name == "data_batch_3.bin" else data)
    assert run(["data", "cifar10", "c", "out"]) == 2
    assert "c: data_batch_3.bin is no batch of CIFAR-10" in capsys.readouterr().err
    Path("x.tar.gz").write_bytes(b"no archive")
    assert run(["data", "cifar10", "x.tar.gz", "out"]) == 2
    assert "cannot read x.tar.gz" in capsys.readouterr().err
