"""What `netdef predict` does with pixels, and the forms of its answers."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef.cli.main import run
from netdef.schema import message_class
from runtime.data.photos import photo_names
from runtime.images import trained_pixels
from runtime.solver import snapshot
from runtime.solver.pixels import pixels_of
from tests.netdef.cli import images

DEPLOY = """
name: "shades"
layer data: Input {{ shape {{ dim: [1, 3, {side}, {side}] }} }}
layer conv: Convolution(data) {{ num_output: 4 kernel_size: 5 stride: 2 }}
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) {{ num_output: 2 }}
layer prob: Softmax(fc)
"""
BRIGHT, DARK = "images/bright/00.png", "images/dark/10.png"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predicting")
    images.make(folder, each=3)
    (folder / "deploy.net").write_text(DEPLOY.format(side=16))
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    assert run(["train", "shades.net", "solver.txt", "--out", "run", "--iterations", "3"]) == 0
    patch.undo()
    return folder


@pytest.fixture
def folder(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def answers(capsys, *arguments):
    """{image: [probability of bright, of dark]}, and what was said."""
    assert run(["predict", *arguments, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = {one["image"]: {c["class"]: c["probability"] for c in one["classes"]} for one in json.loads(out)}
    return {image: [of[0], of[1]] for image, of in found.items()}, err


def test_a_deploy_net_takes_pixels_as_the_run_did(folder, capsys):
    """Resized, cropped, mean and scale: the answers are those of the net that was trained."""
    own, _ = answers(capsys, "run", BRIGHT, DARK)
    deployed, said = answers(capsys, "deploy.net", BRIGHT, DARK, "--weights", "run")
    assert [*deployed] == [BRIGHT, DARK]
    for image, probabilities in deployed.items():
        assert probabilities == pytest.approx(own[image], abs=1e-6)
    assert "note: data takes pixels as in training, by run/shades_iter_3.netdef.json: mean 128, scale 0.01, the 16 x 16" in said


def test_settings_that_an_input_ignores_change_nothing(folder, capsys):
    text = Path("deploy.net").read_text()
    Path("ignored.net").write_text(text.replace("shape {", "transform_param { mean_value: 7 mirror: true } shape {", 1))
    assert "transform_param" in Path("ignored.net").read_text()
    found, _ = answers(capsys, "ignored.net", DARK, "--weights", "run")
    assert found == answers(capsys, "deploy.net", DARK, "--weights", "run")[0]


def test_options_replace_what_the_run_did(folder, capsys):
    other, said = answers(capsys, "deploy.net", BRIGHT, "--weights", "run", "--mean", "1,2,3", "--scale", "0.5")
    assert "mean 1, 2, 3, scale 0.5, the 16 x 16 pixels in the centre" in said
    assert other != answers(capsys, "deploy.net", BRIGHT, "--weights", "run")[0]


def test_the_net_inside_the_weights_says_it_too(folder, capsys):
    """As Caffe's own .caffemodels have it, which no side file comes with."""
    Path("alone").mkdir(exist_ok=True)
    shutil.copy("run/shades_iter_3.caffemodel", "alone/w.caffemodel")
    found, said = answers(capsys, "deploy.net", BRIGHT, "--weights", "alone/w.caffemodel")
    assert "as in training, by the net inside alone/w.caffemodel: mean 128, scale 0.01, the 16 x 16 pixels" in said
    assert found[BRIGHT] == pytest.approx(answers(capsys, "run", BRIGHT)[0][BRIGHT], abs=1e-6)
    message = message_class("NetParameter").FromString(Path("alone/w.caffemodel").read_bytes())
    message.layer[0].transform_param.ClearField("mean_value")
    message.layer[0].transform_param.mean_file = "/data/mean.binaryproto"
    Path("alone/mean.caffemodel").write_bytes(message.SerializeToString())
    _, said = answers(capsys, "deploy.net", BRIGHT, "--weights", "alone/mean.caffemodel")
    assert "but for its mean /data/mean.binaryproto, which is not there (--mean replaces it): no mean, scale 0.01" in said


def test_without_a_run_pixels_stay_as_they_are(folder, capsys):
    """HDF5 holds weights and no net."""
    assert run(["convert", "run/shades_iter_3.caffemodel", "alone.caffemodel.h5"]) == 0
    capsys.readouterr()
    found, said = answers(capsys, "deploy.net", BRIGHT, "--weights", "alone.caffemodel.h5")
    assert "data takes pixels as they are, 0 to 255, blue first: no run says how it was trained; --mean and --scale" in said
    with Image.open(BRIGHT) as image:
        square = image.convert("RGB").resize((16, 16), Image.Resampling.BILINEAR, box=(4, 0, 26, 22))
    with runtime.compile("deploy.net", backward=False) as executable:
        executable.load_weights("alone.caffemodel.h5")
        pixels = np.asarray(square, np.float32)[:, :, ::-1].transpose(2, 0, 1)[None]
        np.testing.assert_allclose(found[BRIGHT], executable.forward(data=pixels)["prob"][0], atol=1e-6)


def test_another_size_than_in_training_is_said(folder, capsys):
    Path("large.net").write_text(DEPLOY.format(side=17))  # the windows of conv still give 6 x 6 + 1
    assert run(["predict", "large.net", BRIGHT, "--weights", "run"]) in (0, 2)
    assert "resized to 17 x 17, where training took 16 x 16" in capsys.readouterr().err


def test_a_mean_image_comes_from_its_file(tmp_path, monkeypatch, capsys):
    images.make(tmp_path, each=2)
    monkeypatch.chdir(tmp_path)
    np.save("mean.npy", np.random.default_rng(1).uniform(90, 160, (3, 20, 20)).astype(np.float32))
    text = images.NET.replace("mean_value: 128", 'mean_file: "mean.npy"')
    Path("mean.net").write_text(text)
    Path("deploy.net").write_text(DEPLOY.format(side=16))
    assert run(["train", "mean.net", "solver.txt", "--out", "run", "--iterations", "1"]) == 0
    capsys.readouterr()
    deployed, own = (
        answers(capsys, *arguments)[0][DARK] for arguments in (["deploy.net", DARK, "--weights", "run"], ["run", DARK])
    )
    assert deployed == pytest.approx(own, abs=1e-6)
    os.remove("mean.npy")
    assert run(["predict", "deploy.net", DARK, "--weights", "run"]) == 2
    assert f"the mean of training, {tmp_path}/mean.npy, is not there" in capsys.readouterr().err


def test_a_net_that_was_trained_on_a_database(folder, capsys):
    """Files are brought to the size of its records; the deploy net learns it from the run."""
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Path(f"square/{number}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(f"square/{number}/x.png")
    assert run(["data", "convert", "square", "square.lmdb", "--size", "20"]) == 0
    layer = """layer data: Data -> data, label { source: "square.lmdb" backend: LMDB batch_size: 2
      transform_param { crop_size: 16 mean_value: 128 scale: 0.01 } }
    layer conv"""
    text = images.NET[images.NET.index("layer conv") :].replace("layer conv", layer, 1)
    Path("db.net").write_text(text)
    arguments = ["--out", "db", "--weights", "run", "--iterations", "0", "--set", "drop.dropout_ratio=0"]
    assert run(["train", "db.net", "solver.txt", *arguments]) == 0
    capsys.readouterr()
    expected, _ = answers(capsys, "run", "square/0/x.png")
    for arguments in (["db"], ["deploy.net"]):
        found, _ = answers(capsys, *arguments, "square/0/x.png", "--weights", "db")
        assert found["square/0/x.png"] == pytest.approx(expected["square/0/x.png"], abs=1e-6)
    Path("whole.net").write_text(text.replace("crop_size: 16", ""))  # only the database says how large its images are
    assert run(["train", "whole.net", "solver.txt", "--out", "whole", "--iterations", "0"]) == 0
    capsys.readouterr()
    of_whole, _ = answers(capsys, "whole", "square/0/x.png")
    shutil.rmtree("square.lmdb")
    for name, before in (("db", expected), ("whole", of_whole)):  # its size is that of training
        found, _ = answers(capsys, name, "square/0/x.png")
        assert found["square/0/x.png"] == pytest.approx(before["square/0/x.png"], abs=1e-6)


def test_a_net_that_was_trained_on_a_list_whose_images_say_the_size(folder, capsys):
    Path("list.txt").write_text("square.png 0\nsquare.png 1\n")
    with Image.open(DARK) as image:
        image.resize((20, 20)).save("square.png")
    layer = (
        'layer data: ImageData -> data, label { source: "list.txt" batch_size: 2 transform_param { mean_value: 128 } }\nlayer conv'
    )
    Path("list.net").write_text(images.NET[images.NET.index("layer conv") :].replace("layer conv", layer, 1))
    assert run(["train", "list.net", "solver.txt", "--out", "list", "--iterations", "0"]) == 0
    capsys.readouterr()
    before, _ = answers(capsys, "list", DARK, "square.png")
    os.remove("list.txt")
    after, _ = answers(capsys, "list", DARK, "square.png")
    assert before == after and before[DARK] != before["square.png"]


def test_the_side_file_says_how_images_were_taken(folder):
    content = json.loads(Path("run/shades_iter_3.netdef.json").read_text())
    assert content["pixels"] == pixels_of(netdef.load("shades.net", "test"))
    assert (content["pixels"]["crop_size"], content["pixels"]["new_height"], content["pixels"]["channels"]) == (16, 20, 3)
    assert pixels_of(netdef.load("deploy.net")) is None


def test_a_damaged_side_file_is_one_line(folder, capsys):
    for name in ("caffemodel", "netdef.json"):
        shutil.copy(f"run/shades_iter_3.{name}", f"bad.{name}")
    side = json.loads(Path("bad.netdef.json").read_text())
    for pixels in ({"scale": 1}, {**side["pixels"], "scale": "much"}, 3):
        Path("bad.netdef.json").write_text(json.dumps({**side, "pixels": pixels}))
        assert run(["predict", "deploy.net", DARK, "--weights", "bad.caffemodel"]) == 2
        assert "bad.netdef.json is damaged: pixels" in capsys.readouterr().err


def test_folders_and_forms(folder, capsys):
    """All images of a folder, in order; text, CSV and JSON say the same."""
    assert run(["predict", "run", "images/dark", BRIGHT, "--top", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == ["images/dark/10.png", "images/dark/11.png", "images/dark/12.png", BRIGHT]
    assert run(["predict", "run", "images/dark", BRIGHT, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["image"] for row in rows[::2]] == lines[::2]
    assert [row["rank"] for row in rows] == ["1", "2"] * 4
    assert [f"{float(row['probability']):7.2%}  {row['name']}" for row in rows[::2]] == [line[2:] for line in lines[1::2]]
    found, _ = answers(capsys, "run", "images/dark", BRIGHT)
    of_bright = {row["image"]: float(row["probability"]) for row in rows if row["class"] == "0"}
    assert {image: of[0] for image, of in found.items()} == pytest.approx(of_bright, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deploy.net", DARK, "--weights", "run", "--weights", "run"], "'--weights': it is given 2 times"),
        (["run", DARK, "--top", "1", "--top", "2"], "'--top': it is given 2 times"),
        (["run", DARK, "--scale", "2"], "scales pixels of its own"),
        (["run", "nothing"], "nothing holds no images"),
        (["run", DARK, "--top", "0"], "'--top'"),
    ],
)
def test_what_is_refused(folder, arguments, said, capsys):
    Path("nothing").mkdir(exist_ok=True)
    assert run(["predict", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_weights_of_the_photographs_windows_see_windows(folder, capsys, monkeypatch):
    """The answer is the mean over windows of the size that the net was trained on; not so with other data."""
    plain, err = answers(capsys, "run", BRIGHT)
    assert "windows" not in err
    side = {"classes": list(photo_names()), "data": None}
    monkeypatch.setattr(snapshot, "read_side", lambda path: side)
    assert trained_pixels.trained_on_photos("x.caffemodel")
    side["data"] = "mine"
    assert not trained_pixels.trained_on_photos("x.caffemodel")
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(trained_pixels, "trained_on_photos", lambda path: True)
    windows, err = answers(capsys, "run", BRIGHT, DARK)
    assert "note: the weights are of windows of photographs: the answer to an image is the mean of 25 windows" in err
    assert list(windows) == [BRIGHT, DARK] and windows[BRIGHT] != plain[BRIGHT]
