"""Databases written from lists, folders and databases; what was interrupted goes on."""

import errno
import json
import os
from io import BytesIO
from pathlib import Path

import h5py
import lmdb
import numpy as np
import pytest
from PIL import Image

from netdef.cli.main import run
from netdef.language.diagnostics import NetdefError
from runtime.data import copying
from runtime.data.classes import classes_in
from runtime.data.copying import copy
from runtime.data.database import open_database
from runtime.data.database_writer import Staged
from runtime.data.datum import Datum, decode_datum, encode_datum
from runtime.data.record_sources import open_records
from runtime.solver.log import read_log
from runtime.solver.snapshot import read_side
from tests.runtime.data.databases import numbered, write_lmdb


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    """Two classes of noise, three images each, the first gray; and a list of them."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    lines = []
    for label, name in enumerate(("ant", "bee")):
        Path("images", name).mkdir(parents=True)
        for index in range(3):
            shape = (6, 8) if (label, index) == (0, 0) else (6, 8, 3)
            Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(f"images/{name}/{index}.png")
            lines.append(f"{name}/{index}.png {label}\n")
    Path("list.txt").write_text("".join(lines))
    return tmp_path


def records(path):
    database = open_database(path)
    keys = [database.key(index) for index in range(database.size)]
    found = [(key.decode(), decode_datum(bytes(database.value(key)))) for key in keys]
    database.close()
    return found


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))[:, :, ::-1].transpose(2, 0, 1)


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_a_list_as_convert_imageset_writes_it(backend, capsys):
    assert run(["data", "convert_imageset", "images/", "list.txt", "out", "--backend", backend]) == 0
    assert "out: 6 records" in capsys.readouterr().out
    found = records("out")
    assert [key for key, _ in found] == [f"0000000{n}_{('ant', 'bee')[n // 3]}/{n % 3}.png" for n in range(6)]
    for number, (_, datum) in enumerate(found):
        path = f"images/{('ant', 'bee')[number // 3]}/{number % 3}.png"
        assert (datum.channels, datum.height, datum.width, datum.label, datum.encoded) == (3, 6, 8, number // 3, False)
        assert bytes(datum.data) == pixels(path).tobytes()


def test_a_folder_with_its_classes():
    assert run(["data", "convert", "images", "out"]) == 0
    assert classes_in("out") == ("ant", "bee")
    assert [datum.label for _, datum in records("out")] == [0, 0, 0, 1, 1, 1]
    assert sorted(path.name for path in Path("out").iterdir()) == ["classes.txt", "data.mdb"]


def test_gray_and_stretched():
    assert run(["data", "convert", "images", "out", "--gray", "--resize_height", "3", "--resize-width", "4"]) == 0
    datum = records("out")[0][1]
    assert (datum.channels, datum.height, datum.width, len(datum.data)) == (1, 3, 4, 12)
    assert run(["data", "convert", "images", "square", "--size", "4"]) == 0
    datum = records("square")[0][1]
    assert (datum.channels, datum.height, datum.width) == (3, 4, 4)


def test_black_pixels_around_images():
    assert run(["data", "convert", "images", "out", "--size", "6", "--pad", "2", "--encoded", "--encode-type", "png"]) == 0
    assert run(["data", "convert", "images", "bare", "--size", "6"]) == 0
    inner = [datum.pixels for _, datum in records("bare")]
    for (_, datum), expected in zip(records("out"), inner, strict=True):
        found = np.asarray(Image.open(BytesIO(bytes(datum.data))))[:, :, ::-1]
        np.testing.assert_array_equal(found, np.pad(expected, ((2, 2), (2, 2), (0, 0))))
    assert run(["data", "convert", "bare", "other", "--pad", "2"]) == 2  # records of a database stay as they are


def test_encoded_files_stay_as_they_are():
    assert run(["data", "convert", "images", "out", "--encoded", "--encode-type", "png"]) == 0
    datum = records("out")[4][1]
    assert datum.encoded and bytes(datum.data) == Path("images/bee/1.png").read_bytes()
    assert run(["data", "convert", "images", "jpegs", "--encoded"]) == 0
    assert bytes(records("jpegs")[4][1].data[:2]) == b"\xff\xd8"


def test_a_shuffled_order_is_the_seeds():
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run(["data", "convert", "images", name, "--shuffle", "--seed", seed]) == 0
    orders = {name: [key for key, _ in records(name)] for name in "abc"}
    assert orders["a"] == orders["b"] != orders["c"]
    assert [key[:8] for key in orders["a"]] == [f"0000000{n}" for n in range(6)]
    assert sorted(key[9:] for key in orders["a"]) == sorted(key[9:] for key in orders["c"])


def test_hdf5_has_the_datasets_of_an_hdf5data_layer():
    assert run(["data", "convert", "images", "out.h5"]) == 0
    with h5py.File("out.h5") as file:
        np.testing.assert_array_equal(file["data"][4], pixels("images/bee/1.png").astype(np.float32))
        assert file["label"][()].tolist() == [0, 0, 0, 1, 1, 1]


def test_a_database_copied_to_another_kind_and_to_files():
    assert run(["data", "convert", "images", "a"]) == 0
    assert run(["data", "convert", "a", "b", "--backend", "leveldb"]) == 0
    assert [(key, bytes(datum.data)) for key, datum in records("a")] == [(key, bytes(datum.data)) for key, datum in records("b")]
    assert run(["data", "convert", "b", "files", "--backend", "folder"]) == 0
    np.testing.assert_array_equal(pixels("files/1/00000004.png"), pixels("images/bee/1.png"))


KINDS = ["LMDB", "LEVELDB", "HDF5", "FOLDER"]


def interrupted_at(done, kind, order=None):
    """A copy of the images that was interrupted when so many were done."""

    def stop(count):
        if count == done:
            raise ZeroDivisionError

    source = open_records("images")
    with pytest.raises(ZeroDivisionError):
        copy(source, Staged("out", kind, source.fingerprint), 2, order, on_done=stop)
    return source


def contents(kind):
    """Pixels and labels of what was written, in its order."""
    if kind == "HDF5":
        with h5py.File("out") as file:
            return [(data.astype(np.uint8).tobytes(), int(label)) for data, label in zip(file["data"], file["label"], strict=True)]
    if kind == "FOLDER":
        files = sorted(Path("out").rglob("*.png"), key=lambda path: path.name)
        return [(pixels(path).tobytes(), int(path.parent.name)) for path in files]
    return [(bytes(datum.data), datum.label) for _, datum in records("out")]


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_files_that_were_changed_are_copied_anew(kind, shuffled, monkeypatch):
    """One overwritten, one that is readable now, one that is not there any more: the end is that of a copy without interruption."""
    monkeypatch.setattr(copying, "BATCH", 2)
    order = np.array([4, 0, 3, 1, 5, 2]) if shuffled else np.arange(6)
    paths = [f"images/{name}/{index}.png" for name in ("ant", "bee") for index in range(3)]
    whole = Path(paths[order[0]]).read_bytes()
    Path(paths[order[0]]).write_bytes(b"no image")
    source = interrupted_at(5, kind, order)
    Path(paths[order[0]]).write_bytes(whole)
    Image.fromarray(np.full((6, 8, 3), 7, np.uint8)).save(paths[order[1]])
    Path(paths[order[2]]).unlink()
    said = []
    copied = copy(source, Staged("out", kind, source.fingerprint), 2, order, on_change=said.extend)
    assert (copied.written, copied.before) == (5, 0)
    assert [name.split()[1][9:] for name in said] == [paths[index] for index in order[:3]]
    left = np.delete(order, 2)
    assert contents(kind) == [(pixels(paths[index]).tobytes(), index // 3) for index in left]


def test_what_was_changed_is_said(monkeypatch, capsys):
    monkeypatch.setattr(copying, "BATCH", 2)
    source = open_records("images")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Staged, "_finish", stop)
        assert run(["data", "convert", "images", "out"]) == 130
    for path in ("images/ant/2.png", "images/bee/0.png"):
        os.utime(path, (1, 1))
    assert run(["data", "convert", "images", "out"]) == 0
    captured = capsys.readouterr()
    changed = "the file of record 00000002_images/ant/2.png of images was changed after it was copied, and those of 1 more"
    assert f"{changed}: going on from there" in captured.err
    assert "out: 6 records of 2 classes, 2 of them before it was interrupted, LMDB" in captured.out
    staged = Staged("other", "LMDB", source.fingerprint)
    with pytest.raises(ZeroDivisionError), staged.writing():
        raise ZeroDivisionError
    assert run(["data", "convert", "images", "other", "--gray"]) == 0
    assert ".other.partial had an interrupted conversion of other data or options: it begins anew" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["LMDB", "LEVELDB", "HDF5"])
def test_what_is_interrupted_goes_on(kind, monkeypatch):
    monkeypatch.setattr(copying, "BATCH", 2)
    source = open_records("images")

    class InterruptError(Exception):
        pass

    def stop(done):
        if done == 5:
            raise InterruptError

    with pytest.raises(InterruptError):
        copy(source, Staged("out", kind, source.fingerprint), 2, on_done=stop)
    assert not Path("out").exists()
    assert json.loads(Path(".out.partial/progress.json").read_text())["done"] == 4
    looked_at = []
    copied = copy(source, Staged("out", kind, source.fingerprint), 2, on_done=looked_at.append)
    assert (copied.written, copied.before, looked_at) == (6, 4, [5, 6])
    assert not Path(".out.partial").exists()
    if kind != "HDF5":
        assert [datum.label for _, datum in records("out")] == [0, 0, 0, 1, 1, 1]


def test_a_damaged_hdf5_file_starts_anew(monkeypatch):
    monkeypatch.setattr(copying, "BATCH", 2)
    source = open_records("images")

    def stop(done):
        if done == 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        copy(source, Staged("out.h5", "HDF5", source.fingerprint), 1, on_done=stop)
    next(Path(".out.h5.partial").glob("rows-*")).write_bytes(b"half a file")
    assert copy(source, Staged("out.h5", "HDF5", source.fingerprint), 1).before == 0
    with h5py.File("out.h5") as file:
        assert len(file["data"]) == 6


def test_other_data_start_anew(monkeypatch):
    source = open_records("images")
    staged = Staged("out", "LMDB", "other")
    with pytest.raises(ZeroDivisionError), staged.writing():
        staged.note(3, [])
        raise ZeroDivisionError
    assert copy(source, Staged("out", "LMDB", source.fingerprint), 1).before == 0
    assert len(records("out")) == 6


def test_two_processes_do_not_write_one_database():
    staged = Staged("out", "LMDB", "x")
    with pytest.raises(NetdefError, match="another process is writing out"):
        Staged("out", "LMDB", "x")
    with pytest.raises(ZeroDivisionError), staged.writing():
        raise ZeroDivisionError


@pytest.mark.parametrize("full", [True, False])
def test_what_an_lmdb_calls_an_error_of_input_and_output(full, monkeypatch):
    """LMDB says so where the disk is full, too."""

    def sync(path):
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    staged = Staged("out", "LMDB", "x")
    monkeypatch.setattr("runtime.data.database_writer.sync", sync)
    reason = "No space left on device" if full else "mdb_txn_commit: Input/output error"
    with pytest.raises(NetdefError, match=f"cannot write out: {reason}"), staged.writing():
        raise lmdb.Error("mdb_txn_commit: Input/output error")
    assert not (staged.folder / "attempt").exists()


def test_unreadable_images_are_left_out(capsys):
    Path("images/ant/1.png").write_bytes(b"no image")
    Path("images/bee/0.png").unlink()
    assert run(["data", "convert", "images/", "list.txt", "out"]) == 0
    captured = capsys.readouterr()
    assert "out: 4 records, LMDB; 2 records could not be read" in captured.out
    assert "skipping images/ant/1.png: not a readable image" in captured.err
    assert "skipping images/bee/0.png: there is no such file" in captured.err
    assert [key[:8] for key, _ in records("out")] == ["00000000", "00000002", "00000004", "00000005"]


@pytest.mark.parametrize("backend", ["hdf5", "folder"])
def test_damaged_records_of_a_database_are_left_out(backend, capsys):
    whole = Path("images/bee/1.png").read_bytes()
    found = [Datum(data=data, label=label, encoded=True) for label, data in enumerate((whole, whole[:50], whole))]
    write_lmdb(Path("db"), numbered([encode_datum(datum) for datum in (*found, Datum(3, 6, 8, data=b"short"))]))
    assert run(["data", "convert", "db", "out", "--backend", backend]) == 0
    captured = capsys.readouterr()
    assert "out: 2 records" in captured.out and "2 records could not be read" in captured.out
    assert "skipping record 00000003_image of db: 5 numbers for an image of 3 x 6 x 8" in captured.err
    assert [label for _, label in contents(backend.upper())] == [0, 2]


def test_an_lmdb_grows(monkeypatch):
    monkeypatch.setattr("runtime.data.database_writer.FIRST_MAP", 1 << 16)
    Path("many.txt").write_text("images/bee/1.png 7\n" * 900)
    assert run(["data", "convert", "many.txt", "out"]) == 0
    assert len(records("out")) == 900


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list.txt"], "takes SOURCE and OUT"),
        (["none.txt", "out"], "cannot read a list of images none.txt"),
        (["images", "images"], "images exists already"),
        (["images", "out", "--size", "3", "--resize-width", "4"], "--size excludes"),
        (["images", "out", "--resize-width", "4"], "go together"),
        (["images", "out.h5", "--encoded"], "--encoded is for lmdb and leveldb"),
        (["list.txt", "out"], "4 of the first 4 records of list.txt cannot be read: too many"),
    ],
)
def test_wrong_arguments_write_nothing(arguments, said, capsys):
    assert run(["data", "convert", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_source_of_one_record_that_cannot_be_read(capsys):
    Path("one.txt").write_text("gone.png 0\n")
    assert run(["data", "convert", "one.txt", "out"]) == 2
    assert "none of the 1 record of one.txt can be read" in capsys.readouterr().err
    assert not Path("out").exists()


def test_sizes_that_differ_are_an_error_where_they_must_not(capsys):
    Image.new("RGB", (9, 9)).save("images/ant/2.png")
    assert run(["data", "convert", "images", "out", "--check-size"]) == 2
    assert "2.png of images has 243 bytes (3 x 9 x 9), the first one 144" in capsys.readouterr().err
    assert run(["data", "convert", "images", "out.h5"]) == 2
    assert "a dataset takes one shape" in capsys.readouterr().err
    assert not Path("out.h5").exists()


def test_a_database_trains_and_tests_with_its_classes(capsys):
    """Its records give the loss of the files; the names of its classes go with the weights."""
    assert run(["data", "convert", "images", "db"]) == 0
    net = """
    layer data: ImageData -> data, label {{ source: "{}" batch_size: 3 transform_param {{ crop_size: 6 scale: 0.01 }} }}
    layer fc: InnerProduct(data) {{ num_output: 2 weight_filler {{ type: "xavier" }} }}
    layer loss: SoftmaxWithLoss(fc, label)
    """
    losses = []
    for source in ("images", "db"):
        Path(f"{source}.net").write_text(net.format(source))
        Path("solver.txt").write_text('base_lr: 0.01 lr_policy: "fixed" max_iter: 3 random_seed: 1')
        assert run(["train", f"{source}.net", "solver.txt", "--out", f"run_{source}"]) == 0
        losses.append([r["loss"] for r in read_log(f"run_{source}") if r["event"] == "train"])
    assert losses[0] == losses[1] and len(losses[0]) == 3
    assert read_side("run_db/db_iter_3.caffemodel")["classes"] == ["ant", "bee"]
    Path("db/classes.txt").write_text("bee\nant\n")
    assert run(["test", "db.net", "--weights", "run_db/db_iter_3.caffemodel"]) == 2
    assert "db has classes bee, ant; the weights were trained on classes ant, bee" in capsys.readouterr().err
