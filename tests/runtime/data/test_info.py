"""What `netdef data info` and `split` say and write."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from netdef.cli.main import run
from runtime.data.datum import Datum, encode_datum
from runtime.data.listing import read_list
from tests.runtime.data.databases import numbered, raw, write_lmdb


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, count in (("ant", 10), ("bee", 5), ("crab", 1)):
        Path("images", name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(random.integers(0, 256, (6, 8 + index % 2, 3), np.uint8)).save(f"images/{name}/{index}.png")
    return tmp_path


def test_a_folder(capsys):
    Path("images/ant/3.png").write_bytes(b"")
    assert run(["data", "info", "images"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "images: 16 records; 1 record could not be read",
        "stored as  pixels, uint8",
        "shape      3 x 6 x 8  (9)",
        "shape      3 x 6 x 9  (6)",
        "labels     3 classes, 0 to 2",
        "       0          9  ant",
        "       1          5  bee",
        "       2          1  crab",
        "the records are in the order of their labels: shuffle them for training",
    ]
    assert "skipping images/ant/3.png" in captured.err


def test_a_database(capsys):
    floats = encode_datum(Datum(1, 1, 2, floats=np.ones(2, np.float32), label=3))
    write_lmdb(Path("db"), numbered([raw(5), b"\x0f", raw(4), floats]))
    assert run(["data", "info", "db", "--sheet", "sheet.png"]) == 0
    captured = capsys.readouterr()
    assert "db: 4 records; 1 record could not be read" in captured.out
    assert "pixels, float32 (1)" in captured.out
    assert "in the order of their labels" not in captured.out
    assert "skipping record 00000001_image: not a Datum" in captured.err
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 2 * 96 and sheet.height > 96


def test_a_page_of_pictures(capsys):
    assert run(["data", "convert", "images", "db"]) == 0
    assert run(["data", "info", "db", "--sheet", "sheet.html", "--pictures", "12"]) == 0
    page = Path("sheet.html").read_text()
    assert page.count("data:image/png;base64,") == 12
    assert "db: the first 12 of 16 records" in page and "<figcaption>1 bee</figcaption>" in page
    assert run(["data", "info", "db", "--sheet", "sheet.gif"]) == 2
    assert "a contact sheet is a .png or a .html" in capsys.readouterr().err


def test_an_hdf5_file(capsys):
    assert run(["data", "convert", "images", "a.h5", "--resize-height", "6", "--resize-width", "8"]) == 0
    with h5py.File("a.h5", "r+") as file:
        file["more/target"] = np.array([[0.5, np.nan]] * 3, np.float32)
        file["text"] = "no rows"
    capsys.readouterr()
    assert run(["data", "info", "a.h5", "--sheet", "sheet.html", "--pictures", "12"]) == 0
    data, *others = capsys.readouterr().out.splitlines()[1:]
    assert re.fullmatch(r"data: 16 rows of 3 x 6 x 8, float32, \d+ to 2\d\d", data)
    assert others == [
        "label: 16 rows of 1, float32, 0 to 2",
        "       0         10",
        "       1          5",
        "       2          1",
        "more/target: 3 rows of 2, float32, 0.5 to 0.5, 3 numbers not finite",
    ]
    assert Path("sheet.html").read_text().count("data:image/png;base64,") == 12


def test_hdf5_files_that_cannot_be(capsys):
    with h5py.File("b.h5", "w") as file:
        file["x"] = np.full((2, 3, 4, 4), -1, np.float32)
    assert run(["data", "info", "b.h5", "--sheet", "s.png"]) == 2
    assert "b.h5 has no images of 1 or 3 channels with values from 0 to 255" in capsys.readouterr().err
    for option, value in (("--root", "x"), ("--phase", "train"), ("--threads", "2"), ("--pictures", "3")):
        assert run(["data", "info", "b.h5", option, value]) == 2
        assert f"error: {option} is for" in capsys.readouterr().err
    Path("b.h5").write_bytes(Path("b.h5").read_bytes()[:900])
    assert run(["data", "info", "b.h5"]) == 2
    assert "b.h5 is not a whole HDF5 file" in capsys.readouterr().err
    with h5py.File("c.h5", "w") as file:
        file["text"] = "no rows"
    assert run(["data", "info", "c.h5"]) == 2
    assert "c.h5 holds no rows of numbers" in capsys.readouterr().err
    write_lmdb(Path("floats"), numbered([encode_datum(Datum(1, 1, 2, floats=np.ones(2, np.float32), label=3))]))
    assert run(["data", "info", "floats", "--sheet", "s.png"]) == 2
    assert "floats has no pictures of bytes" in capsys.readouterr().err
    assert not Path("s.png").exists()


def test_a_split_by_class(capsys):
    assert run(["data", "split", "images", "train.txt", "test.txt", "--share", "0.3"]) == 0
    train, test = (read_list(name) for name in ("train.txt", "test.txt"))
    assert [[part.labels.count(label) for label in range(3)] for part in (train, test)] == [[7, 3, 1], [3, 2, 0]]
    assert not set(train.paths) & set(test.paths)
    assert len({*train.paths, *test.paths}) == 16
    assert all(Path(path).exists() for path in train.paths)
    assert Path("train.txt.classes").read_text() == "ant\nbee\ncrab\n"
    again = ["data", "split", "train.txt", "a.txt", "b.txt"]
    assert run([*again, "--seed", "4"]) == run(["data", "split", "train.txt", "c.txt", "d.txt", "--seed", "4"]) == 0
    assert Path("b.txt").read_text() == Path("d.txt").read_text()
    assert run(["data", "split", "train.txt", "a.txt", "e.txt", "--seed", "5"]) == 0
    assert Path("b.txt").read_text() != Path("e.txt").read_text()


def test_a_split_that_leaves_none(capsys):
    Path("one.txt").write_text("images/crab/0.png 0\n")
    assert run(["data", "split", "one.txt", "a", "b"]) == 2
    assert "has no class of two images or more" in capsys.readouterr().err
    assert run(["data", "split", "images", "a", "./a"]) == 2
    assert "a cannot be both lists" in capsys.readouterr().err
    assert not Path("a").exists()


def test_an_unknown_command(capsys):
    assert run(["data", "convrt", "a", "b"]) == 2
    assert "netdef data has no command convrt" in capsys.readouterr().err
