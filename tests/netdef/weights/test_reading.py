"""Weights from Caffe's files of every age, and the errors for files that hold none."""

import gzip
import os
import re
import struct
import threading

import h5py
import numpy as np
import pytest

from netdef import NetdefError
from netdef.schema import message_class
from netdef.weights import read_weights, wire
from tests.netdef.weights.files import BINARY, FILES, HDF5, SHAPES, same


def test_caffes_two_formats_hold_the_same():
    binary = read_weights(BINARY)
    same(binary, read_weights(HDF5))
    assert {name: [a.shape for a in blobs] for name, blobs in binary.items()} == SHAPES


def test_read_as_protobuf_reads_it():
    message = message_class("NetParameter").FromString(BINARY.read_bytes())
    expected = {
        layer.name: [np.array(blob.data, np.float32).reshape(blob.shape.dim) for blob in layer.blobs]
        for layer in message.layer
        if layer.blobs
    }
    same(read_weights(BINARY), expected)


def test_older_formats(tmp_path):
    message = message_class("NetParameter")()
    layer = message.layers.add(name="v1")
    layer.blobs.add(num=1, channels=1, height=2, width=3, data=[1, 2, 3, 4, 5, 6])
    inner = message.layers.add().layer
    inner.name = "v0"
    inner.blobs.add(num=1, channels=1, height=1, width=2, data=[7, 8])
    (tmp_path / "old.caffemodel").write_bytes(message.SerializeToString())
    read = read_weights(tmp_path / "old.caffemodel")
    np.testing.assert_array_equal(read["v1"][0], [[[[1, 2, 3], [4, 5, 6]]]])
    np.testing.assert_array_equal(read["v0"][0], [[[[7, 8]]]])


def test_a_namesake_without_weights_changes_nothing(tmp_path):
    message = message_class("NetParameter")()
    message.layer.add(name="a").blobs.add(data=[1, 2])
    message.layer.add(name="a")
    (tmp_path / "w").write_bytes(message.SerializeToString())
    same(read_weights(tmp_path / "w"), {"a": [np.array([1, 2], "f4")]})


def test_every_kind_of_field_is_passed_over():
    data = wire.key(8, wire.FIXED64) + struct.pack("<d", 1.5) + wire.key(5, wire.FIXED32) + struct.pack("<f", 2.5)
    data += wire.key(3, wire.VARINT) + wire.varint(300) + wire.prefix(4, 2) + b"ab"
    found = [(n, kind, value if isinstance(value, int) else bytes(value)) for n, kind, value in wire.fields(memoryview(data))]
    assert found == [(8, 1, struct.pack("<d", 1.5)), (5, 5, struct.pack("<f", 2.5)), (3, 0, 300), (4, 2, b"ab")]


def test_doubles_and_unpacked_numbers(tmp_path):
    message = message_class("NetParameter")()
    blob = message.layer.add(name="d").blobs.add(double_data=[1.5, 2.5])
    blob.shape.dim.extend([2])
    # The unpacked form of `data`: each float with its own key (field 5, fixed32), and of BlobShape.dim.
    floats = np.array([3, 4], "<f4")
    unpacked = b"".join(b"\x2d" + value.tobytes() for value in floats) + b"\x3a\x02\x08\x02"
    raw_layer = b"\x0a\x01u" + b"\x3a" + bytes([len(unpacked)]) + unpacked
    raw = message.SerializeToString() + b"\xa2\x06" + bytes([len(raw_layer)]) + raw_layer
    (tmp_path / "w.caffemodel").write_bytes(raw)
    read = read_weights(tmp_path / "w.caffemodel")
    np.testing.assert_array_equal(read["d"][0], [1.5, 2.5])
    np.testing.assert_array_equal(read["u"][0], [3, 4])


@pytest.mark.parametrize(("number", "dtype"), [(0, "<f8"), (1, "<f4"), (2, "<f2"), (3, "<i4"), (4, "<u4")])
def test_bytes_of_nvidias_caffe(tmp_path, number, dtype):
    message = message_class("NetParameter")()
    blob = message.layer.add(name="d").blobs.add(raw_data_type=number, raw_data=np.array([1, 2, 3], dtype).tobytes())
    blob.shape.dim.extend([3, 1])
    (tmp_path / "w.caffemodel").write_bytes(message.SerializeToString())
    (array,) = read_weights(tmp_path / "w.caffemodel")["d"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1], [2], [3]])


def test_bytes_that_are_not_whole(tmp_path):
    message = message_class("NetParameter")()
    message.layer.add(name="d").blobs.add(raw_data_type=2, raw_data=b"abc").shape.dim.extend([1])
    (tmp_path / "w.caffemodel").write_bytes(message.SerializeToString())
    with pytest.raises(NetdefError, match="ends in the middle of one"):
        read_weights(tmp_path / "w.caffemodel")


def test_hdf5_names_with_slashes(tmp_path):
    """GoogLeNet's layers; the name of one may be where others begin."""
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, value in (("inception/1x1/0", 1), ("inception/1x1/1", 2), ("inception/0", 3), ("a/1/0", 4)):
            file[f"data/{name}"] = np.full(2, value, "f4")
    read = read_weights(tmp_path / "w.h5")
    assert {name: [array[0] for array in arrays] for name, arrays in read.items()} == {
        "inception/1x1": [1, 2],
        "inception": [3],
        "a/1": [4],
    }


def test_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(BINARY.read_bytes()))
    writer.start()
    same(read_weights(tmp_path / "pipe"), read_weights(BINARY))
    writer.join()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 243862414\n"
MEAN = (FILES / "mean.binaryproto").read_bytes()
FOREIGN = {
    "pointer.caffemodel": (POINTER, "a pointer of Git LFS to a file that was not downloaded", "git lfs pull"),
    "page.caffemodel": (b"<!DOCTYPE html>\n<html><body>404</body></html>", "a web page", "download failed"),
    "tiny.prototxt": ((FILES / "tiny.prototxt").read_bytes(), "a net in text", "before --weights"),
    "solver.prototxt": (b'net: "x"\nbase_lr: 0.1\nmax_iter: 5', "a solver in text", ".caffemodel"),
    "labelmap.prototxt": (b'item {\n  name: "none_of_the_above"\n  label: 0\n}\n', "a label map", ".caffemodel"),
    "synset_words.txt": (b"n01440764 tench\n", "a text", ".caffemodel"),
    "wide.txt": ("conv".encode("utf-16"), "a text in UTF-16", ".caffemodel"),
    "snap.solverstate": ((FILES / "snap_iter_4.solverstate").read_bytes(), "a solver's state", "of the same name"),
    "mean.binaryproto": (MEAN, "a single array, such as a mean image", ".caffemodel"),
    "picture.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image", ".caffemodel"),
    "w.caffemodel.gz": (gzip.compress(b"x"), "a gzip archive", "gunzip"),
    "torch.pth": (b"PK\x03\x04\x00\x00", "a zip archive", ".caffemodel"),
    "data.mdb": (bytes(16) + b"\xde\xc0\xef\xbe" + bytes(4000), "an LMDB database", ".caffemodel"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_kind(tmp_path, name):
    content, form, hint = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NetdefError) as error:
        read_weights(tmp_path / name)
    assert f"{tmp_path / name} holds no weights: it is {form}\n" in str(error.value)
    assert hint in error.value.diagnostics[0].hint


def test_a_net_without_weights(tmp_path):
    message = message_class("NetParameter")()
    message.layer.add(name="a")
    (tmp_path / "w.caffemodel").write_bytes(message.SerializeToString())
    with pytest.raises(NetdefError, match="holds no weights: it is a net of 1 layer without any"):
        read_weights(tmp_path / "w.caffemodel")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("data/conv1")
    with pytest.raises(NetdefError, match="holds no weights: there are no arrays in its group /data"):
        read_weights(tmp_path / "w.h5")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(NetdefError, match="is empty"):
        read_weights(tmp_path / "empty")
    with pytest.raises(NetdefError, match="No such file"):
        read_weights(tmp_path / "missing")
    with pytest.raises(NetdefError, match="Is a directory"):
        read_weights(tmp_path)
    with pytest.raises(NetdefError, match="is a device"):
        read_weights("/dev/zero")


def test_numbers_that_are_not_finite(tmp_path):
    message = message_class("NetParameter")()
    message.layer.add(name="good").blobs.add(data=[1, -3e38])
    bad = message.layer.add(name="bad")
    bad.blobs.add(data=[1, 2])
    bad.blobs.add(data=[float("nan"), float("inf"), float("-inf"), 0])
    message.layer.add(name="large").blobs.add(double_data=[1e300])
    (tmp_path / "w.caffemodel").write_bytes(message.SerializeToString())
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data/good/0"], file["data/large/0"] = np.ones(2, "f4"), np.array([1e300])
        file["data/bad/0"], file["data/bad/1"] = np.ones(2, "f4"), np.array([np.nan, np.inf, -np.inf, 0], "f4")
    for name in ("w.caffemodel", "w.h5"):
        with pytest.raises(NetdefError) as error:
            read_weights(tmp_path / name)
        text = str(error.value)
        assert text.startswith(f"error: {tmp_path / name} holds numbers that are not finite, in\n")
        assert "\n  bad/1 (4): 1 NaN and 2 infinite of 4\n" in text
        assert "\n  large/0 (1): 1 infinite of 1\n" in text
        assert "good" not in text and "bad/0" not in text


def test_of_many_bad_arrays_the_first_are_named(tmp_path):
    message = message_class("NetParameter")()
    for number in range(30):
        message.layer.add(name=f"layer{number}").blobs.add(data=[float("nan")])
    (tmp_path / "w").write_bytes(message.SerializeToString())
    with pytest.raises(NetdefError) as error:
        read_weights(tmp_path / "w")
    assert "layer7/0" in str(error.value) and "layer8" not in str(error.value) and "and 22 more arrays" in str(error.value)


@pytest.mark.parametrize("dims", [[0] * 70, [1 << 63, 0], [2**31, 0], [5], [3, 1 << 62], [(1 << 64) - 1]])
def test_shapes_that_do_not_fit_their_numbers(tmp_path, dims):
    packed = b"".join(map(wire.varint, dims))
    shape = wire.prefix(1, len(packed)) + packed
    blob = wire.prefix(7, len(shape)) + shape
    layer = b"\x0a\x01a" + wire.prefix(7, len(blob)) + blob
    (tmp_path / "w.caffemodel").write_bytes(wire.prefix(100, len(layer)) + layer)
    with pytest.raises(NetdefError, match=re.escape("w.caffemodel is not a .caffemodel, or is cut short: a blob of ")):
        read_weights(tmp_path / "w.caffemodel")


def test_cut_short(tmp_path):
    (tmp_path / "cut.caffemodel").write_bytes(BINARY.read_bytes()[:-100])
    with pytest.raises(NetdefError, match=r"is cut short: it ends in the middle of a field"):
        read_weights(tmp_path / "cut.caffemodel")
    (tmp_path / "cut.h5").write_bytes(HDF5.read_bytes()[:3000])
    with pytest.raises(NetdefError, match=r"not a whole \.caffemodel\.h5"):
        read_weights(tmp_path / "cut.h5")


def test_other_hdf5_files(tmp_path):
    with pytest.raises(NetdefError, match=r"has no group /data: it is not a .caffemodel.h5"):
        read_weights(FILES / "snap_iter_4.solverstate.h5")
    with h5py.File(tmp_path / "far.h5", "w") as file:
        file["data/a/99999999999"] = np.ones(1)
    with pytest.raises(NetdefError, match="layer a has an array number 99999999999"):
        read_weights(tmp_path / "far.h5")
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("data/a/0", (1 << 50,), "f4")  # takes no room until it is written
    with pytest.raises(NetdefError, match="more than the file can hold"):
        read_weights(tmp_path / "huge.h5")
