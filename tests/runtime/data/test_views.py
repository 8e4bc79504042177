"""The views of each test image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdef import NetdefError, load
from netdef.graph.data_shapes import data_looked_at
from runtime.data import open_source
from runtime.data.datum import Datum, encode_datum
from runtime.data.views import _once
from runtime.machine.look import look_at_data
from tests.runtime.data.databases import numbered, write_lmdb

NET = """
layer data: ImageData -> data, label {{
  source: "list.txt" batch_size: {batch} new_height: {height} new_width: 10 transform_param {{ crop_size: {crop} {more} }}
}}
"""


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    made = [random.integers(0, 256, (8, 10, 3), np.uint8) for _ in range(3)]
    for index, pixels in enumerate(made):
        Image.fromarray(pixels).save(f"{index}.png")
    Path("list.txt").write_text("".join(f"{index}.png {index + 4}\n" for index in range(3)))
    return made


def source(views, height=8, batch=10, crop=6, more=""):
    Path("x.net").write_text(NET.format(batch=batch, height=height, crop=crop, more=more))
    return open_source(load("x.net", "test").layers[0], 0, views=views, workers=3)


def views_of(opened, batches):
    """What the net would be given: (label, crop) of each sample."""
    found = []
    for _ in range(batches):
        batch = opened.next()
        for image, label, (top, left), mirror in zip(batch.images, batch.labels, batch.offsets, batch.mirrors, strict=True):
            crop = image[top : top + 6, left : left + 6]
            found.append((int(label), (crop[:, ::-1] if mirror else crop).copy()))
        opened.release(batch)
    return found


def test_ten_crops(images):
    with source(10) as opened:
        assert opened.size == 30
        found = views_of(opened, 3)
    for index, pixels in enumerate(images):
        bgr = pixels[..., ::-1]
        expected = [bgr[t : t + 6, l : l + 6] for t, l in ((0, 0), (0, 4), (2, 0), (2, 4), (1, 2))]
        expected += [crop[:, ::-1] for crop in expected]
        for (label, crop), other in zip(found[10 * index : 10 * index + 10], expected, strict=True):
            assert label == index + 4
            np.testing.assert_array_equal(crop, other)


def record(pixels, label):
    return encode_datum(Datum(3, *pixels.shape[:2], pixels[..., ::-1].transpose(2, 0, 1).tobytes(), label))


def test_ten_crops_of_records_that_are_not_resized(images):
    """A batch has room for the crop alone: without a mean image, records may be of any size."""
    write_lmdb(Path("db"), numbered([record(pixels, index + 4) for index, pixels in enumerate(images)]))
    Path("y.net").write_text(
        "layer data: Data -> data, label { source: 'db' backend: LMDB batch_size: 10 transform_param { crop_size: 6 } }"
    )
    with source(10) as opened:
        expected = views_of(opened, 3)
    with data_looked_at(look_at_data):
        layer = load("y.net", "test").layers[0]
    with open_source(layer, 0, views=10, workers=2) as opened:
        found = views_of(opened, 3)
    for (label, crop), (other, view) in zip(found, expected, strict=True):
        assert label == other
        np.testing.assert_array_equal(crop, view)


def test_144_crops():
    """Of a plain image each view is plain; of another each has its position: left is dark, right is bright."""
    ramp = np.broadcast_to(np.linspace(0, 255, 300).astype(np.uint8)[None, :, None], (200, 300, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save("0.png")
    with source(144, height=8, batch=36) as opened:
        assert opened.size == 3 * 144
        found = [crop.mean() for _, crop in views_of(opened, 4)]
    assert len(found) == 144
    by_square = np.reshape(found, (4, 3, 6, 2))  # scale, square, region, mirror
    np.testing.assert_allclose(by_square[..., 0], by_square[..., 1], atol=0.01)
    assert (np.diff(by_square[:, :, 4, 0], axis=1) > 10).all()  # centres: left square, middle, right
    assert (by_square[:, :, 1, 0] > by_square[:, :, 0, 0] + 50).all()  # top right corner and top left
    np.testing.assert_allclose(by_square[:, 1, 5, 0], 127.5, atol=2)  # the whole middle square


@pytest.mark.parametrize(
    ("views", "settings", "said"),
    [
        (10, {"crop": 8}, "has nothing to crop: images of 8 x 10, a crop of 8 x 8"),
        (7, {}, "there are no 7 crops"),
        (144, {"more": 'mean_file: "mean.npy"'}, "subtracts a mean image"),
    ],
)
def test_images_without_such_views(views, settings, said):
    np.save("mean.npy", np.zeros((3, 8, 10), np.float32))
    with pytest.raises(NetdefError, match=said):
        source(views, **settings)


def test_package_images_have_no_files():
    Path("x.net").write_text('layer data: ImageData -> data { source: "builtin:digits" transform_param { crop_size: 20 } }\n')
    with pytest.raises(NetdefError, match="builtin:digits has no image files"):
        open_source(load("x.net", "test").layers[0], 0, views=144)


def test_an_image_is_decoded_once():
    calls = []
    load_once = _once(lambda index: calls.append(index) or index)
    assert [load_once(index // 10) for index in range(100)] == [index // 10 for index in range(100)]
    assert calls == list(range(10))
