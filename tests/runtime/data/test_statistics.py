"""The mean image and the colours' components: exact, by any number of threads, and in Caffe's form."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdef.cli.main import run
from runtime.data import statistics
from runtime.data.datum import Datum, encode_datum
from runtime.data.mean import read_mean
from runtime.data.record_sources import open_records
from runtime.data.statistics import components_of_records, mean_of_records, write_mean
from tests.runtime.data.databases import numbered, write_lmdb

GOLDENS = Path(__file__).parents[2] / "goldens" / "files"


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    made = random.integers(0, 256, (70, 5, 7, 3), np.uint8)
    Path("images/all").mkdir(parents=True)
    for index, pixels in enumerate(made):
        Image.fromarray(pixels).save(f"images/all/{index:02}.png")
    return made[..., ::-1].transpose(0, 3, 1, 2)


def caffes_mean(images):
    """As compute_image_mean computes it: a sum in float32, image by image, then divided."""
    total = np.zeros(images.shape[1:], np.float32)
    for image in images:
        total += image.astype(np.float32)
    return total / np.float32(len(images))


@pytest.mark.parametrize("threads", ["1", "7"])
def test_the_mean_is_caffes(images, threads, capsys):
    assert run(["data", "compute_image_mean", "images", "mean.binaryproto", "--threads", threads]) == 0
    mean = read_mean("mean.binaryproto", 3)
    np.testing.assert_array_equal(mean, caffes_mean(images))
    out = capsys.readouterr().out
    assert "mean of 70 images of 3 x 5 x 7 -> mean.binaryproto" in out
    assert f"mean_value: [{images[:, 0].mean():.6g}, {images[:, 1].mean():.6g}, {images[:, 2].mean():.6g}]" in out


def test_a_mean_has_the_bytes_of_caffes_file(tmp_path):
    write_mean(str(tmp_path / "mean.binaryproto"), np.load(GOLDENS / "mean.npy").reshape(3, 16, 16))
    assert (tmp_path / "mean.binaryproto").read_bytes() == (GOLDENS / "mean.binaryproto").read_bytes()


def test_databases_and_lists_have_the_same_mean(images):
    assert run(["data", "convert", "images", "db"]) == 0
    for source, out in (("images", "a.npy"), ("db", "b.npy")):
        assert run(["data", "mean", source, out]) == 0
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))


def test_records_of_floats_have_a_mean():
    floats = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    write_lmdb(Path("db"), numbered([encode_datum(Datum(1, 2, 3, floats=row)) for row in floats]))
    found = mean_of_records(open_records("db"), 2, lambda name, reason: None)
    np.testing.assert_allclose(found.image.reshape(-1), floats.mean(axis=0), rtol=1e-6)


def test_components(images, capsys):
    flat = images.transpose(1, 0, 2, 3).reshape(3, -1) / 255
    values, vectors = np.linalg.eigh(np.cov(flat, bias=True))
    found = components_of_records(open_records("images"), 3, lambda name, reason: None)
    np.testing.assert_allclose(found.values, 255 * values[::-1], rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * vectors.T[::-1], axis=1)), 1, rtol=1e-9)
    assert (found.vectors[np.arange(3), np.abs(found.vectors).argmax(axis=1)] > 0).all()
    assert run(["data", "pca", "images"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "color_eigenvalue: [" + ", ".join(f"{value:.6g}" for value in found.values) + "]"
    assert lines[1].startswith("color_eigenvector: [")


def test_they_are_settings_of_a_net(capsys):
    assert run(["data", "pca", "images"]) == 0
    settings = capsys.readouterr().out
    Path("x.net").write_text(
        'layer data: ImageData -> data { source: "images" batch_size: 2 transform_param { crop_size: 4 color_shift: 0.1 '
        f"{settings} }} }}\n"
    )
    assert run(["shapes", "x.net", "--phase", "train"]) == 0


def test_images_that_differ_in_shape_have_no_mean(capsys):
    Image.new("RGB", (9, 9)).save("images/all/50.png")
    assert run(["data", "mean", "images", "mean.npy"]) == 2
    assert "50.png of images is 3 x 9 x 9" in capsys.readouterr().err
    assert not Path("mean.npy").exists()
    assert run(["data", "mean", "images", "mean.npy", "--size", "4"]) == 0


def test_unreadable_images_are_left_out_and_counted(images, capsys):
    Path("images/all/03.png").write_bytes(b"")
    assert run(["data", "mean", "images", "mean.npy"]) == 0
    captured = capsys.readouterr()
    assert "mean of 69 images" in captured.out and "1 record could not be read" in captured.out
    assert "skipping images/all/03.png" in captured.err
    np.testing.assert_array_equal(np.load("mean.npy"), caffes_mean(np.delete(images, 3, axis=0)))


def test_too_many_unreadable_images_stop_it(monkeypatch, capsys):
    monkeypatch.setattr("runtime.data.skipping.FEW", 2)
    for index in range(20):
        Path(f"images/all/{index:02}.png").unlink()
        Path(f"images/all/{index:02}.png").touch()
    assert run(["data", "mean", "images"]) == 2
    assert "records of images cannot be read" in capsys.readouterr().err
    assert statistics.GROUP > 20


def test_gray_images_have_no_colours(capsys):
    assert run(["data", "pca", "images", "--gray"]) == 2
    assert "has 1 channels: colours have three" in capsys.readouterr().err
