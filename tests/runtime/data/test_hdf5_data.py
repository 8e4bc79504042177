"""The HDF5Data layer: several files and tops, shuffling, resuming, and what is wrong with files."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from runtime.data import open_source
from runtime.data.hdf5_data import read_rows
from tests.runtime.data.test_database_samples import data_looked_at, look_at_data

COUNTS = (5, 0, 3, 4)
TOTAL = sum(COUNTS)


@pytest.fixture
def list_file(tmp_path):
    """A list of four files; a row's data are its number, its label the number's tenth, its boxes twice two of them."""
    names, done = [], 0
    for index, count in enumerate(COUNTS):
        numbers = np.arange(done, done + count)
        with h5py.File(tmp_path / f"{index}.h5", "w") as file:
            file["data"] = np.broadcast_to(numbers[:, None, None, None], (count, 2, 3, 4)).astype(np.float64)
            file["label"] = (numbers / 10).astype(np.float32)
            file["boxes"] = np.stack([numbers, -numbers], 1).astype(np.int32).reshape(count, 2)
        names.append(f"{index}.h5")
        done += count
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
    return tmp_path / "list.txt"


def text(path, body="", batch=4, tops="data, label, boxes"):
    return f'layer data: HDF5Data -> {tops} {{ source: "{path}" batch_size: {batch} {body} }}'


def layer_of(path, *args, **options):
    with data_looked_at(look_at_data):
        return netdef.parse(text(path, *args, **options), phase="train").layer("data")


def numbers(source, batches):
    found = []
    for _ in range(batches):
        batch = source.next()
        np.testing.assert_array_equal(batch.top2, np.stack([batch.top0[:, 1, 2, 3], -batch.top0[:, 0, 0, 0]], 1))
        np.testing.assert_allclose(batch.top1 * 10, batch.top0[:, 0, 0, 0], rtol=1e-6)
        found += batch.top0[:, 0, 0, 0].astype(int).tolist()
        source.release(batch)
    return found


def test_what_a_net_sees(list_file):
    (list_file.parent / "a.net").write_text(text(list_file, batch=7))
    with runtime.compile(list_file.parent / "a.net") as exe:
        outputs = [exe.forward() for _ in range(2)]
    assert [outputs[0][name].shape for name in ("data", "label", "boxes")] == [(7, 2, 3, 4), (7,), (7, 2)]
    rows = [*range(12), 0, 1]
    for run, half in zip(outputs, (rows[:7], rows[7:]), strict=True):
        np.testing.assert_array_equal(run["data"], np.broadcast_to(np.reshape(half, (7, 1, 1, 1)), (7, 2, 3, 4)))
        np.testing.assert_array_equal(run["boxes"], np.stack([half, np.negative(half)], 1))
        np.testing.assert_array_equal(run["label"], np.float32(half) / np.float32(10))


def test_two_devices_have_the_rows_of_one(list_file):
    net = text(list_file, batch=6) + "\nlayer ip: InnerProduct(data) { num_output: 4 }\nlayer sink: Silence(label, boxes)"
    (list_file.parent / "a.net").write_text(net)
    with runtime.compile(list_file.parent / "a.net", "cpu:0,cpu:0", split="batch") as exe:
        exe.forward()
        assert exe.blob("boxes")[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_shuffling_keeps_files_together_and_is_resumed(list_file):
    layer = layer_of(list_file, "shuffle: true")
    with open_source(layer, 3) as source:
        whole = numbers(source, 9)
    epochs = [whole[n * TOTAL : (n + 1) * TOTAL] for n in range(3)]
    assert all(sorted(epoch) == list(range(TOTAL)) for epoch in epochs) and len({tuple(epoch) for epoch in epochs}) == 3
    file_of = np.repeat(range(4), COUNTS)
    for epoch in epochs:
        runs = [file for n, file in enumerate(file_of[epoch]) if not n or file != file_of[epoch][n - 1]]
        assert sorted(runs) == [0, 2, 3]
    with open_source(layer, 3) as first, open_source(layer, 3) as second:
        numbers(first, 5)
        second.seek(first.position())
        assert numbers(second, 4) == whole[20:]
    with open_source(layer, 4) as other:
        assert numbers(other, 9) != whole


@pytest.mark.parametrize(
    ("tops", "change", "said"),
    [
        ("data, labels", None, "0.h5 has no dataset labels"),
        ("data", ("2.h5", "data", np.zeros((3, 2, 3, 5))), "2.h5: a row of data is 2 x 3 x 5, in .*0.h5 it is 2 x 3 x 4"),
        ("data, label", ("0.h5", "label", np.zeros(4)), "has 5 rows of data, and 4 of label"),
        ("label", ("0.h5", "label", np.array([b"a"])), "dataset label holds no rows of numbers"),
        ("label", ("0.h5", "label", 3.0), "dataset label holds no rows of numbers"),
    ],
)
def test_files_that_do_not_fit(list_file, tops, change, said):
    if change:
        with h5py.File(list_file.parent / change[0], "a") as file:
            del file[change[1]]
            file[change[1]] = change[2]
    (list_file.parent / "a.net").write_text(text(list_file, tops=tops))
    with pytest.raises(NetdefError, match=said), runtime.compile(list_file.parent / "a.net") as exe:
        exe.forward()


def test_lists_that_do_not_fit(list_file):
    net = list_file.parent / "a.net"
    net.write_text(text(list_file))
    for content, said in (("0.h5\ngone.h5\n", "list.txt:2:1: error: there is no file gone.h5"), ("\n", "lists no files")):
        list_file.write_text(content)
        with pytest.raises(NetdefError, match=said):
            open_source(layer_of_any(list_file), 1)
    list_file.write_text("bad.h5\n")
    (list_file.parent / "bad.h5").write_bytes(b"no file of that kind")
    with pytest.raises(NetdefError, match=r"bad\.h5 is not a whole HDF5 file"):
        runtime.compile(net)


def layer_of_any(path):
    """The layer of a list that cannot be read."""
    net = netdef.loading.open_net(path.parent / "a.net").net("train", assumed=(2, 3, 4))
    return net.layer("data")


@pytest.mark.parametrize(("label", "said"), [(8, "has label 8"), (2.5, r"has label 2\.5")])
def test_a_label_that_is_no_class_is_found_before_training(list_file, label, said):
    for index in range(len(COUNTS)):
        with h5py.File(list_file.parent / f"{index}.h5", "a") as file:
            file["label"][...] = 1
    with h5py.File(list_file.parent / "3.h5", "a") as file:
        file["label"][2] = label
    net = (
        text(list_file, tops="data, label")
        + "\nlayer fc: InnerProduct(data) { num_output: 5 }\nlayer loss: SoftmaxWithLoss(fc, label)"
    )
    (list_file.parent / "a.net").write_text(net)
    with runtime.compile(list_file.parent / "a.net") as exe, pytest.raises(NetdefError, match=rf"3\.h5, dataset label, {said}"):
        exe.open_sources()


def test_a_transformation_is_refused(list_file):
    (list_file.parent / "a.net").write_text(text(list_file, "transform_param { scale: 0.5 }"))
    with pytest.raises(NetdefError, match=r"its arrays are taken as they are: transform_param \{ scale \} does not"):
        runtime.compile(list_file.parent / "a.net")


def test_rows_that_the_file_cannot_hold_are_refused_before_memory_is_taken(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (1 << 40, 2), "f4", chunks=(1, 2))
    with pytest.raises(NetdefError, match=r"a\.h5 is not a whole HDF5 file: /data claims 8,796,093,022,208 bytes"):
        read_rows(str(tmp_path / "a.h5"), ["data"])


def test_rows_of_other_files_are_read_through_a_virtual_dataset(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (1 << 16, 64), "f4", chunks=(64, 64))
    layout = h5py.VirtualLayout((1 << 16, 64), "f4")
    layout[:] = h5py.VirtualSource(tmp_path / "a.h5", "data", (1 << 16, 64))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    (rows,) = read_rows(str(tmp_path / "b.h5"), ["data"])
    assert rows.shape == (1 << 16, 64)


@pytest.mark.parametrize(
    "how", [{}, {"chunks": (3, 2)}, {"chunks": (5, 4), "compression": "gzip"}, {"dtype": ">f4"}, {"dtype": "u1"}]
)
def test_rows_are_read_however_they_are_stored(tmp_path, how):
    numbers = np.arange(44, dtype=np.float32).reshape(11, 4)
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file.create_dataset("before", data=[b"text"])
        file.create_dataset("data", data=numbers, **how)
        file.create_dataset("unwritten", (3, 2), "f4", fillvalue=7)
        file.create_dataset("none", (0, 2), "f4")
    data, unwritten, none = read_rows(str(tmp_path / "a.h5"), ["data", "unwritten", "none"])
    np.testing.assert_array_equal(data, numbers)
    assert data.dtype == np.float32 and (unwritten == 7).all() and none.shape == (0, 2)


def test_a_batch_is_filled_while_the_one_before_is_in_use(list_file):
    with open_source(layer_of(list_file), 1) as source:
        first = source.next()
        coming = source._coming
        assert coming.result().top0[:, 0, 0, 0].tolist() == [4, 5, 6, 7] and first.top0[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
        assert source.position() == {"sample": 4}
        second = source.next()
        assert second is coming.result()
        source.release(first)
        source.seek({"sample": 1})
        assert numbers(source, 2) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_file_that_is_cut_during_a_run_ends_the_run_when_it_is_read(list_file):
    layer = layer_of(list_file, batch=5)
    with open_source(layer, 1) as source:
        cut = list_file.parent / "3.h5"
        cut.write_bytes(cut.read_bytes()[:-100])
        assert numbers(source, 1) == [0, 1, 2, 3, 4]
        with pytest.raises(NetdefError, match=r"3\.h5 is not a whole HDF5 file"):
            numbers(source, 1)
        source.seek({"sample": 0})
        assert numbers(source, 1) == [0, 1, 2, 3, 4]


def test_a_file_may_stand_for_a_list_of_one(list_file):
    with open_source(layer_of(list_file.parent / "0.h5", batch=5), 1) as source:
        assert numbers(source, 1) == [0, 1, 2, 3, 4]
