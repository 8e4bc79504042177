"""`netdef.images`: image files as arrays, by the same code as `netdef predict`."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from netdef.language.diagnostics import Remark
from netdef.language.reach import only_inside
from runtime.data import open_images
from tests.netdef.cli import images

DEPLOY = "layer data: Input { shape { dim: [1, 3, 16, 16] } }\nlayer fc: InnerProduct(data) { num_output: 2 }"
BRIGHT = "images/bright/00.png"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path, each=2)
    Path("deploy.net").write_text(DEPLOY)


def test_the_net_s_own_layer_of_images_says_how():
    """And forward takes what comes out."""
    net = netdef.load("shades.net", "test", batch_size=4)
    found = netdef.images(["images/dark", BRIGHT, Path("images/bright/01.png")], net)
    with runtime.compile(net, backward=False, keep="activations") as exe:
        files = ["images/dark/10.png", "images/dark/11.png", BRIGHT, "images/bright/01.png"]
        exe.open_sources(lambda layer, seed, *, classes: open_images(layer, files))
        exe.forward()
        np.testing.assert_array_equal(found, exe.blob("data"))
        scores = exe.blob("fc")
        exe.forward(data=found, label=np.zeros(4))
        np.testing.assert_array_equal(exe.blob("fc"), scores)


def test_an_input_takes_them_as_they_are_and_says_so():
    with pytest.warns(match="data takes pixels as they are, 0 to 255, blue first"):
        plain = netdef.images(BRIGHT, "deploy.net")
    assert plain.shape == (1, 3, 16, 16) and plain.dtype == np.float32
    with pytest.warns(match=r"data takes pixels with mean 1, 2, 3 and scale 0\.5"):
        given = netdef.images([BRIGHT], netdef.load("deploy.net"), mean=(1, 2, 3), scale=0.5)
    np.testing.assert_array_equal(given, (plain - np.array([1, 2, 3], np.float32)[:, None, None]) * np.float32(0.5))


def test_images_that_are_given_are_no_files_that_the_net_names(monkeypatch):
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with only_inside(), pytest.warns(Remark) as said:
        assert netdef.images(f"../{BRIGHT}", "../deploy.net").shape == (1, 3, 16, 16)
    assert not [one for one in said if "leads to" in str(one.message)]


def test_the_run_that_made_the_weights_says_how():
    with runtime.compile(netdef.load("shades.net", "train"), backward=False) as exe:
        exe.save_weights("w.caffemodel")
    with pytest.warns(match="data takes pixels as in training, by the net inside w.caffemodel: mean 128, scale 0.01"):
        found = netdef.images(BRIGHT, "deploy.net", weights="w.caffemodel")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(found, netdef.images(BRIGHT, "shades.net"))


def test_weights_of_the_photographs_windows_see_the_middle_one(monkeypatch):
    with runtime.compile(netdef.load("shades.net", "train"), backward=False) as exe:
        exe.save_weights("w.caffemodel")
    monkeypatch.setattr("runtime.images.arrays.trained_on_photos", lambda path: True)
    with pytest.warns(match="of each image, the window of that size in its middle is taken"):
        found = netdef.images(BRIGHT, "shades.net", weights="w.caffemodel")
    whole = netdef.images(BRIGHT, "shades.net")
    assert found.shape == whole.shape and (found != whole).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.png", "deploy.net"), "missing.png: there is no such file"),
        (([], "deploy.net"), "no image is given"),
        ((7, "deploy.net"), "expected image files, not 7"),
        (([None], "deploy.net"), r"expected image files, not \[None\]"),
        (("images", netdef.parse(images.NET, phase="train", batch_size=2)), "is in phase train"),
        (("images", netdef.parse("layer x: Input { shape { dim: [1, 7] } }")), "has no inputs for images"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(NetdefError, match=message):
        netdef.images(*arguments)


def test_weights_that_are_not_there():
    with pytest.raises(NetdefError, match=r"there is no file nothing\.caffemodel"):
        netdef.images(BRIGHT, "deploy.net", weights="nothing.caffemodel")


def test_a_mean_that_is_none():
    with pytest.raises(NetdefError, match="a mean is a number, one for each channel, or a file, not <object"):
        netdef.images(BRIGHT, "deploy.net", mean=object())
    with pytest.raises(NetdefError, match="or a file, not array") as raised:
        netdef.images(BRIGHT, "deploy.net", mean=np.full((3, 16, 16), "x"))
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("scale", ["x", float("nan"), [1, 2], 10**400])
def test_a_scale_that_is_none(scale):
    with pytest.raises(NetdefError, match="a scale is a number, not"):
        netdef.images(BRIGHT, "deploy.net", scale=scale)
