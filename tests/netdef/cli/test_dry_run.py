"""`netdef train --dry-run` and `--data-mean`."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdef.cli.main import run
from runtime.data import training_mean
from runtime.data.mean import read_mean
from tests.netdef.cli import images


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images.make(tmp_path)


def train(*arguments):
    return run(["train", "shades.net", "solver.txt", *arguments])


def test_a_dry_run_says_what_a_run_takes_and_writes_nothing(capsys):
    before = sorted(os.walk("."))
    assert train("--dry-run", "--snapshot-every", "10", "--data-mean", "--tensorboard", "--histograms") == 0
    out = capsys.readouterr().out
    for option in ("--tensorboard", "--histograms"):
        assert f"{option} has no effect: a dry run writes nothing\n" in out
    assert "training:  20 images of 2 classes in images, 10 of each\n" in out
    assert "testing:   20 images of 2 classes in images, 10 of each\n" in out
    assert re.search(r"^memory: +[\d.]+ [KM]iB on cpu:0", out, re.M)
    assert re.search(r"^disk: +3 snapshots of 4\.\d+ KiB in runs/shades-1: 1\d\.\d+ KiB of", out, re.M)
    assert re.search(r"^time: +about .*: 30 iterations of .* images/s\), 4 tests of", out, re.M)
    shutil.rmtree("cache")  # where the mean stays for the next time
    assert sorted(os.walk(".")) == before


def test_problems_are_found(capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    Path("images/dark/13.png").write_bytes(b"no image")
    Path("shades.net").write_text(images.NET.replace("num_output: 2", "num_output: 3"))
    assert train("--dry-run") == 1
    out = capsys.readouterr().out
    assert "training:  PROBLEM: 1 image cannot be read, such as images/dark/13.png" in out
    assert "training:  PROBLEM: the net has 3 classes, the data have images of 2" in out
    assert "disk:      PROBLEM: 1 snapshot of" in out


def test_the_mean_of_the_training_data(capsys):
    """Of the training images only, brought to the net's size; and the run's own net subtracts it."""
    assert train("--data-mean", "--data", "images", "--iterations", "2", "--out", "a") == 0
    mean = read_mean("a/mean.binaryproto", 3)
    pixels = []
    for name, files in (("bright", range(10)), ("dark", range(10))):
        for index in files:
            if index % 5 == 0:
                continue  # kept for testing
            path = f"images/{name}/{int(name == 'dark')}{index}.png"
            with Image.open(path) as image:
                width, height = image.size
                side = min(width, height)
                left, top = (width - side) / 2, (height - side) / 2
                small = image.resize((20, 20), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
                pixels.append(np.asarray(small)[:, :, ::-1].transpose(2, 0, 1))
    np.testing.assert_allclose(mean, np.mean(pixels, axis=0), atol=1e-4)
    assert "mean.binaryproto" in Path("a/net.net").read_text() and "mean_value" not in Path("a/net.net").read_text()
    assert "netdef test a/net.net --weights a/shades_iter_2.caffemodel --data images" in capsys.readouterr().out
    assert run(["test", "a"]) == 0


def test_a_mean_is_computed_once(monkeypatch):
    calls = []
    look = training_mean.look_through
    monkeypatch.setattr(training_mean, "look_through", lambda *arguments: calls.append(1) or look(*arguments))
    assert train("--data-mean", "--iterations", "1", "--out", "a") == 0
    assert train("--data-mean", "--iterations", "1", "--out", "b") == 0
    assert len(calls) == 1
    assert Path("a/mean.binaryproto").read_bytes() == Path("b/mean.binaryproto").read_bytes()
    Image.new("RGB", (30, 30)).save("images/dark/new.png")
    assert train("--data-mean", "--iterations", "1", "--out", "c") == 0
    assert len(calls) == 2
    assert train("--data-mean", "--iterations", "2", "--out", "c", "--resume", "latest") == 0
    assert len(calls) == 2
    Image.new("RGB", (30, 31), "white").save("images/dark/new.png")  # in place: no folder shows it
    assert train("--data-mean", "--iterations", "1", "--out", "d") == 0
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("given", "field"), [("1,2.5,3", "mean_value: [1, 2.5, 3]"), ("7", "mean_value: 7"), ("mean.npy", 'mean_file: "')]
)
def test_a_mean_that_is_given(given, field):
    np.save("mean.npy", np.ones((3, 20, 20), np.float32))
    assert train("--mean", given, "--iterations", "1", "--out", "a") == 0
    text = Path("a/net.net").read_text()
    assert field in text and "mean_value: [104" not in text
    assert run(["train", "a", "--iterations", "1", "--out", "b"]) == 0
    assert Path("b/net.net").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mean", "none.npy"], "--mean none.npy: cannot read none.npy: No such file or directory"),
        (["--mean", "1,2"], "the mean has 2 values for 3 channels"),
        (["--mean", "1,2,nan"], "the mean is not a finite number"),
        (["--mean", "1", "--data-mean"], "exclude each other"),
        (["--mean", "small.npy"], "the mean image is 4 x 4, the images are 20 x 20"),
        (["--mean", "solver.txt"], "solver.txt is not a whole .binaryproto"),
    ],
)
def test_a_mean_that_is_none(arguments, said, capsys):
    np.save("small.npy", np.ones((3, 4, 4), np.float32))
    assert train(*arguments) == 2
    assert said in capsys.readouterr().err
    assert not list(Path().glob("runs/*"))


def test_a_net_without_images_has_no_mean(capsys):
    Path("dummy.net").write_text(
        "layer data: DummyData -> data { shape { dim: 2 dim: 3 } }\nlayer fc: InnerProduct(data) { num_output: 2 }\n"
        "layer loss: EuclideanLoss(fc, fc)\n"
    )
    assert run(["train", "dummy.net", "solver.txt", "--data-mean"]) == 2
    assert "dummy.net has 0 layers that read images" in capsys.readouterr().err
    assert not list(Path().glob("runs/*"))
