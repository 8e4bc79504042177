"""Arrays in messages, and images on their way into a net (BVLC's test_io.py checks the former)."""

import numpy as np
import pytest
from PIL import Image

from netdef.language.diagnostics import NetdefError
from runtime.pycaffe import io
from runtime.pycaffe.proto import caffe_pb2


def normal(*shape):
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


def test_blobs():
    array, diff = normal(2, 3), normal(2, 3)
    blob = caffe_pb2.BlobProto.FromString(io.array_to_blobproto(array, diff).SerializeToString())
    assert np.array_equal(io.blobproto_to_array(blob), array) and np.array_equal(io.blobproto_to_array(blob, True), diff)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), and the diff \(3, 2\)"):
        io.array_to_blobproto(array, diff.T)
    old = caffe_pb2.BlobProto(data=[0] * 6, num=1, channels=1, height=2, width=3)
    assert io.blobproto_to_array(old).shape == (1, 1, 2, 3)
    assert io.blobproto_to_array(caffe_pb2.BlobProto(data=[123])) == 123
    with pytest.raises(ValueError, match="reshape"):
        io.blobproto_to_array(caffe_pb2.BlobProto(data=[0] * 6))


def test_vectors_of_blobs():
    arrays = [normal(2), normal(3, 1)]
    again = io.blobprotovector_str_to_arraylist(io.arraylist_to_blobprotovector_str(arrays))
    assert all(np.array_equal(a, b) for a, b in zip(arrays, again, strict=True))


def test_datums():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    datum = io.array_to_datum(pixels, 7)
    assert datum.label == 7 and np.array_equal(io.datum_to_array(datum), pixels) and io.datum_to_array(datum).dtype == np.uint8
    unlabelled = io.array_to_datum(normal(2, 3, 4))
    assert not unlabelled.HasField("label") and np.array_equal(io.datum_to_array(unlabelled), normal(2, 3, 4))
    with pytest.raises(ValueError, match=r"the array has shape \(2, 3\)"):
        io.array_to_datum(normal(2, 3))
    with pytest.raises(NetdefError, match="holds an encoded image"):
        io.datum_to_array(caffe_pb2.Datum(encoded=True, data=b"x"))


def test_images_of_files(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    for mode, channels in (("RGB", 3), ("RGBA", 4), ("L", 1)):
        given = pixels[:, :, :channels].squeeze()
        Image.fromarray(given, mode).save(tmp_path / "image.png")
        image = io.load_image(tmp_path / "image.png")
        assert image.shape == (4, 5, 3) and image.dtype == np.float32
        if mode != "RGBA":
            assert np.allclose(image, np.broadcast_to(given.reshape(4, 5, -1), (4, 5, 3)) / 255)
        gray = io.load_image(str(tmp_path / "image.png"), color=False)
        assert np.allclose(gray[:, :, 0], image @ [0.2125, 0.7154, 0.0721], atol=1e-6) and gray.shape == (4, 5, 1)
    (tmp_path / "none.png").write_text("no image")
    for name in ("none.png", "nothing.png"):
        with pytest.raises(NetdefError, match=rf"^error: .*/{name}: [a-z]"):
            io.load_image(tmp_path / name)


def test_resize_as_scikit_image_did():
    """A pixel is an area; beyond the border is the least value."""
    image = np.array([[0, 4], [8, 12]], np.float32)[:, :, None]
    doubled = io.resize_image(image, (4, 4))
    assert doubled[1, 1, 0] == pytest.approx(0.75 * (0.75 * 0 + 0.25 * 4) + 0.25 * (0.75 * 8 + 0.25 * 12))
    assert doubled[3, 3, 0] == pytest.approx(0.75 * 0.75 * 12) and doubled.dtype == np.float32
    assert np.allclose(io.resize_image(image, (1, 1)), 6) and np.array_equal(io.resize_image(image, (2, 2)), image)
    assert np.array_equal(io.resize_image(image, (4, 4), 0)[:, :, 0], np.kron(image[:, :, 0], np.ones((2, 2))))
    assert np.all(io.resize_image(np.full((3, 3, 3), 7.0), (5, 2)) == 7)
    with pytest.raises(NotImplementedError, match="interp_order 0 and 1, not 3"):
        io.resize_image(image, (4, 4), 3)


def test_resize_of_other_channels_as_scipy_zooms():
    image = normal(3, 4, 2)
    resized = io.resize_image(image, (5, 7))
    assert resized.shape == (5, 7, 2) and np.allclose(resized[::4, ::6], image[::2, ::3], atol=1e-6)
    assert np.allclose(resized[1, 0], (image[0, 0] + image[1, 0]) / 2, atol=1e-6)


def test_oversample():
    images = normal(2, 5, 6, 3)
    crops = io.oversample(images, (3, 2))
    assert crops.shape == (20, 3, 2, 3)
    wanted = [images[1][row : row + 3, column : column + 2] for row, column in ((0, 0), (0, 4), (2, 0), (2, 4), (1, 2))]
    assert np.array_equal(crops[10:15], wanted) and np.array_equal(crops[15:], np.array(wanted)[:, :, ::-1])


def test_transformer():
    transformer = io.Transformer({"data": (1, 3, 4, 5)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.array([1.0, 2.0, 3.0]))
    transformer.set_input_scale("data", 0.5)
    image = np.random.default_rng(1).random((4, 5, 3)).astype(np.float32)
    before = image.copy()
    prepared = transformer.preprocess("data", image)
    wanted = (image[:, :, ::-1].transpose(2, 0, 1) * 255 - np.array([1, 2, 3])[:, None, None]) * 0.5
    assert prepared.dtype == np.float32 and np.allclose(prepared, wanted, rtol=1e-5) and np.array_equal(image, before)
    assert np.allclose(transformer.deprocess("data", prepared[None]), image, atol=1e-5)
    assert transformer.preprocess("data", normal(9, 9, 3)).shape == (3, 4, 5)
    transformer.set_mean("data", normal(3, 8, 8))
    assert transformer.mean["data"].shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("setter", "value", "error"),
    [
        ("set_transpose", (1, 0), "has 2 axes"),
        ("set_channel_swap", (1, 0), "has 2 channels"),
        ("set_mean", np.zeros(2), "the mean has 2 channels"),
        ("set_mean", np.zeros((1, 1, 1, 1)), "neither of channels nor of an image"),
    ],
)
def test_wrong_settings(setter, value, error):
    transformer = io.Transformer({"data": (1, 3, 4, 5)})
    with pytest.raises(ValueError, match=error):
        getattr(transformer, setter)("data", value)
    with pytest.raises(ValueError, match="dat is not one of the net's inputs; did you mean data"):
        getattr(transformer, setter)("dat", value)
