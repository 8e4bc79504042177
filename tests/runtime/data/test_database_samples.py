"""The Data layer on databases of both kinds, from its text to what a net sees."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef import NetdefError
from netdef.graph.data_shapes import data_looked_at
from runtime.data import open_source
from runtime.data.database_samples import DataRemark
from runtime.data.datum import Datum, encode_datum
from runtime.data.source import Rows
from runtime.machine.look import look_at_data
from tests.runtime.data.databases import WRITERS, numbered, raw, write_lmdb


def text(path, body="", kind="LMDB", batch=3):
    return f'layer data: Data -> data, label {{ source: "{path}" backend: {kind} batch_size: {batch} {body} }}'


def encoded(array, label, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(array).save(file, form)
    return encode_datum(Datum(data=file.getvalue(), label=label, encoded=True))


def layer_of(path, body="", phase="test", kind="LMDB", batch=3):
    with data_looked_at(look_at_data):
        return netdef.parse(text(path, body, kind, batch), phase=phase).layer("data")


def labels_of(source, batches):
    return [label for _, labels, _, _ in take(source, batches) for label in labels]


def take(source, batches):
    """Copies of the next batches' fields, and the source closed."""
    found = []
    with source:
        for _ in range(batches):
            batch = source.next()
            found.append([np.copy(field) for field in (batch.images, batch.labels, batch.offsets, batch.mirrors)])
            source.release(batch)
    return found


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_bytes(kind, tmp_path):
    path = WRITERS[kind](tmp_path / "db", numbered([raw(label) for label in range(5)]))
    (tmp_path / "a.net").write_text(text(path, "transform_param { scale: 0.5 mean_value: [1, 2, 3] }", kind))
    with runtime.compile(tmp_path / "a.net") as exe:
        first, second = (exe.forward() for _ in range(2))
    assert first["data"].shape == (3, 3, 4, 5)
    assert [*first["label"], *second["label"]] == [0, 1, 2, 3, 4, 0]
    pixels = (np.arange(60).reshape(3, 4, 5) + 4 - np.array([1, 2, 3])[:, None, None]) * 0.5
    np.testing.assert_array_equal(second["data"][1], pixels)


def test_a_net_that_was_loaded_without_its_data(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(label, channels=1) for label in range(3)]))
    net = netdef.parse(text(path, "transform_param { crop_size: 4 }"))
    assert net.blobs["data"].shape == (3, 3, 4, 4)  # three channels unless it is known
    with runtime.compile(net, batch_size=2) as exe:
        assert exe.forward()["data"].shape == (2, 1, 4, 4)
    with pytest.raises(NetdefError, match="the size of its images is not known here"):
        netdef.parse(text(path))


@pytest.mark.parametrize("channels", [1, 2, 3, 12])
def test_numbers(tmp_path, channels):
    random = np.random.default_rng(0)
    arrays = random.standard_normal((4, channels, 6, 7)).astype(np.float32)
    records = [encode_datum(Datum(channels, 6, 7, label=n, floats=array.reshape(-1))) for n, array in enumerate(arrays)]
    path = write_lmdb(tmp_path / "db", numbered(records))
    (tmp_path / "a.net").write_text(text(path, "transform_param { crop_size: 4 }", batch=4))
    with runtime.compile(tmp_path / "a.net") as exe:
        data = exe.forward()["data"]
    np.testing.assert_array_equal(data, arrays[:, :, 1:5, 1:5])


def test_image_files_and_what_they_are_brought_to(tmp_path):
    random = np.random.default_rng(1)
    gray, colour = random.integers(0, 256, (4, 5), np.uint8), random.integers(0, 256, (4, 5, 3), np.uint8)
    path = write_lmdb(tmp_path / "db", numbered([encoded(colour, 0), encoded(gray, 1)]))
    (tmp_path / "a.net").write_text(text(path, "transform_param { force_color: true }", batch=2))
    with runtime.compile(tmp_path / "a.net") as exe:
        data = exe.forward()["data"]
    np.testing.assert_array_equal(data[0], colour[:, :, ::-1].transpose(2, 0, 1))
    np.testing.assert_array_equal(data[1], np.stack([gray] * 3))
    source = open_source(layer_of(path, batch=1), 1, workers=1)
    source.release(source.next())
    with pytest.raises(NetdefError, match=r"record 00000001_image has an image of 1 channel, the first record's image has 3"):
        source.next()
    source.close()


def test_crops_mirrors_and_resuming(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(label, height=9, width=8) for label in range(7)]))
    layer = layer_of(path, "shuffle: true rand_skip: 3 transform_param { crop_size: 5 mirror: true }", "train")

    whole = take(open_source(layer, 5, workers=1), 6)
    first = open_source(layer, 5, workers=4)
    for _ in range(2):
        first.release(first.next())
    state = first.position()
    first.close()
    resumed = open_source(layer, 5, workers=3)
    resumed.seek(state)
    for one, other in zip(whole[2:], take(resumed, 4), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_shuffling_takes_every_record_once_an_epoch(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(label) for label in range(12)]))
    layer = layer_of(path, "shuffle: true", "train")
    one, two = labels_of(open_source(layer, 1), 8), labels_of(open_source(layer, 2), 8)
    assert sorted(one[:12]) == sorted(one[12:]) == sorted(two[:12]) == list(range(12))
    assert one[:12] != one[12:] and one != two


def test_labels_of_records_whose_images_others_take(tmp_path):
    """The image of a record that others take may be damaged, but not the record."""
    whole = np.full((4, 5, 3), 7, np.uint8)
    records = [encoded(whole, 0), encoded(whole, 1), encode_datum(Datum(data=b"no image", label=2, encoded=True))]
    layer = layer_of(write_lmdb(tmp_path / "db", numbered(records)))
    assert labels_of(open_source(layer, 1, rows=Rows(range(2), all_labels=True)), 2) == [0, 1, 2] * 2
    layer = layer_of(write_lmdb(tmp_path / "other", numbered([*records[:2], b"no record"])))
    with pytest.raises(NetdefError, match=r"record 00000002_image cannot be read: not a Datum") as caught:
        labels_of(open_source(layer, 1, rows=Rows(range(2), all_labels=True)), 2)
    assert "ranks read only their own images" in str(caught.value)


def test_records_held_out_for_testing(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(label) for label in range(9)]))
    assert labels_of(open_source(layer_of(path, batch=3), 1, hold_out=3), 1) == [0, 3, 6]
    assert labels_of(open_source(layer_of(path, "shuffle: true", "train", batch=6), 1, hold_out=3), 1).count(3) == 0


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, 0, 1, 1, 2], True), ([3] * 600 + [4], True), ([0, 1, 0, 1], False), ([5] * 9, False), ([0, 2, 1], False)],
)
def test_a_database_that_is_sorted_by_label(tmp_path, labels, said):
    path = write_lmdb(tmp_path / "db", numbered([raw(label, 1, 1, 1) for label in labels]))
    for body, phase in (("", "train"), ("shuffle: true", "train"), ("", "test")):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            open_source(layer_of(path, body, phase), 1).close()
        remarks = [str(one.message) for one in caught if issubclass(one.category, DataRemark)]
        expected = f"{path} seems to be sorted by label, and layer data reads it in its order; shuffle: true reads it in another"
        assert remarks == [expected] * (said and not body and phase == "train")


def test_records_that_cannot_be_read_are_named_by_their_keys(tmp_path):
    good = np.zeros((4, 5, 3), np.uint8)
    records = numbered([encoded(good, 0), encode_datum(Datum(data=b"no image", label=1, encoded=True)), b"\xff", encoded(good, 3)])
    skipped = []
    source = open_source(layer_of(write_lmdb(tmp_path / "db", records), batch=4), 1, on_skip=lambda *notice: skipped.append(notice))
    assert labels_of(source, 2) == [0, 3] * 4
    assert [name.rpartition(", ")[2] for name, _ in sorted(skipped)] == ["record 00000001_image", "record 00000002_image"]
    assert "not a readable image" in sorted(skipped)[0][1] and "not a Datum" in sorted(skipped)[1][1]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([raw(0), raw(1, channels=1)], "an image of 1 channel, the first record's image has 3"),
        ([raw(0, channels=1), raw(1)], "an image of 3 channels, the first record's image has 1"),
        ([raw(0), encode_datum(Datum(3, 4, 5, floats=np.ones(60, np.float32)))], "float32 numbers, the first record's has uint8"),
    ],
)
def test_images_of_another_kind_than_the_first(tmp_path, records, said):
    path = write_lmdb(tmp_path / "db", numbered(records))
    with open_source(layer_of(path, batch=2), 1) as source, pytest.raises(NetdefError, match=f"record 00000001_image has .*{said}"):
        source.next()


def test_a_key_that_is_no_text(tmp_path):
    path = write_lmdb(tmp_path / "db", {b"\x00\x01": raw(1), b"\xff\x00": b"no Datum"})
    skipped = []
    with open_source(layer_of(path, batch=2), 1, on_skip=lambda *notice: skipped.append(notice)) as source:
        assert source.next().labels.tolist() == [1, 1]
    ((name, why),) = skipped
    assert name == rf"{path}, record '\xff\x00'" and why.startswith("not a Datum")


def test_images_of_another_size(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(0), raw(1, height=8)]))
    with (
        open_source(layer_of(path, batch=2), 1) as source,
        pytest.raises(NetdefError, match=r"01_image is 8 x 5, not 4 x 5 as the first"),
    ):
        source.next()
    cropped = layer_of(path, "transform_param { crop_size: 4 }", batch=2)
    assert labels_of(open_source(cropped, 1), 1) == [0, 1]


@pytest.mark.parametrize("looked_at", [9, 2])
def test_a_label_that_is_no_class_is_found_before_a_run(tmp_path, monkeypatch, looked_at):
    """In a database of many records, the last is among those that are looked at."""
    monkeypatch.setattr("runtime.data.database_samples.MOST_LABELS", looked_at)
    monkeypatch.setattr("runtime.data.database_samples.SOME_LABELS", 2)
    path = write_lmdb(tmp_path / "db", numbered([*[raw(0)] * 5, b"\xff", raw(0), raw(7)]))
    net = "layer fc: InnerProduct(data) { num_output: 5 }\nlayer loss: SoftmaxWithLoss(fc, label)"
    (tmp_path / "a.net").write_text(f"{text(path, batch=2)}\n{net}")
    with runtime.compile(tmp_path / "a.net") as exe, pytest.raises(NetdefError, match="record 00000007_image has label 7"):
        exe.open_sources()


def test_a_label_that_is_no_class_is_named_by_its_key(tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.data.database_samples.MOST_LABELS", 2)
    monkeypatch.setattr("runtime.data.database_samples.SOME_LABELS", 2)
    path = write_lmdb(tmp_path / "db", numbered([raw(0), raw(7), raw(0)]))
    net = "layer fc: InnerProduct(data) { num_output: 5 }\nlayer loss: SoftmaxWithLoss(fc, label)"
    (tmp_path / "a.net").write_text(f"{text(path, batch=2)}\n{net}")
    with runtime.compile(tmp_path / "a.net") as exe, pytest.raises(NetdefError, match="record 00000001_image has label 7"):
        exe.forward()


def test_a_mean_of_another_shape_is_found_before_anything_runs(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(0)]))
    for shape, said in (((3, 5, 5), "the mean image is 5 x 5, the images are 4 x 5"), ((1, 4, 5), "not a mean of 3 channels")):
        np.save(tmp_path / "mean.npy", np.zeros(shape, np.float32))
        (tmp_path / "a.net").write_text(text(path, f'transform_param {{ mean_file: "{tmp_path}/mean.npy" }}'))
        with pytest.raises(NetdefError, match=said):
            runtime.compile(tmp_path / "a.net")


def test_what_is_wrong_with_a_database_is_said_in_place_of_the_size(tmp_path):
    path = WRITERS["LEVELDB"](tmp_path / "db", numbered([raw(0)]))
    (tmp_path / "a.net").write_text(text(path))
    with pytest.raises(NetdefError, match="is a LevelDB, not an LMDB"):
        runtime.compile(tmp_path / "a.net")


def test_a_database_that_is_not_there(tmp_path):
    (tmp_path / "a.net").write_text(text("gone_lmdb"))
    with pytest.raises(NetdefError, match="the size of its images is not known here: there is no gone_lmdb"):
        runtime.compile(tmp_path / "a.net")
    net = netdef.parse(text("gone_lmdb", "transform_param { crop_size: 4 }"))
    with runtime.compile(net) as exe, pytest.raises(NetdefError, match="there is no gone_lmdb"):
        exe.forward()


def test_a_database_in_place_of_a_list(tmp_path):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (4, 30, 20, 3), np.uint8)
    path = write_lmdb(tmp_path / "db", numbered([encoded(image, n) for n, image in enumerate(images)]))
    net = f'layer data: ImageData -> data, label {{ source: "{path}" new_height: 8 batch_size: 4 }}'
    with runtime.compile(netdef.parse(net)) as exe:
        outputs = exe.forward()
    assert outputs["data"].shape == (4, 3, 8, 8) and outputs["label"].tolist() == [0, 1, 2, 3]


def test_prefetch_is_how_many_batches_are_held_ready(tmp_path):
    path = write_lmdb(tmp_path / "db", numbered([raw(label) for label in range(4)]))
    with open_source(layer_of(path, "prefetch: 5"), 1) as source:
        for _ in range(6):
            source.next()
        with pytest.raises(RuntimeError, match="all 6 batches are handed out"):
            source.next()
