"""`netdef detect`, with a net of one prior box that sees cats everywhere."""

import json

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef.cli.main import run

NET = """
layer data: Input { shape { dim: [1, 3, 16, 16] } }
layer places: Convolution(data) { num_output: 4 kernel_size: 16 }
layer scores: Convolution(data) { num_output: 3 kernel_size: 16 }
layer place: Flatten(places)
layer chances: Softmax(scores)
layer chance: Flatten(chances)
layer prior: PriorBox(places, data) { min_size: 8 }
layer found: DetectionOutput(place, chance, prior) { num_classes: 3 confidence_threshold: 0.1 keep_top_k: 5 }
"""
WEIGHTS = ["--weights", "w.caffemodel"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The net, its weights, names without the background's, and a picture of 32 x 24 pixels."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats.net").write_text(NET)
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    Image.new("RGB", (32, 24), "black").save("a.png")
    save(2.0)
    return tmp_path


def save(cat):
    with runtime.compile(netdef.load("cats.net")) as exe:
        exe.set_param("scores", 1, np.array([0, 0, cat]))
        exe.save_weights("w.caffemodel")


def test_a_line_for_each_object_and_a_picture(folder, capsys):
    assert run(["detect", "cats.net", "a.png", *WEIGHTS, "--labels", "names.txt", "--least", "0.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["a.png", "  cat  0.787  8.0  6.0  24.0  18.0", "  dog  0.107  8.0  6.0  24.0  18.0"]
    drawn = np.asarray(Image.open("detections/a.png").convert("RGB"))
    assert drawn.shape == (24, 32, 3) and drawn[18, 16].any() and not drawn[23, 31].any()


def test_scores_below_the_least_are_left_out_and_json_has_all(folder, capsys):
    (folder / "b").mkdir()
    Image.new("L", (16, 16)).save("b/c.jpg")
    assert run(["detect", "cats.net", "a.png", "b", *WEIGHTS, "--format", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert [one["label"] for one in first["objects"]] == ["class 2"]
    assert (second["image"], second["objects"][0]["box"]) == ("b/c.jpg", [4, 4, 12, 12])


def test_images_of_one_name_have_a_picture_each(folder):
    for number, name in enumerate(("b", "c")):
        (folder / name).mkdir()
        Image.new("RGB", (16 + number, 16)).save(f"{name}/a.jpg")
    assert run(["detect", "cats.net", "a.png", "b", "c", *WEIGHTS]) == 0
    pictures = {path.name: Image.open(path).size for path in (folder / "detections").iterdir()}
    assert pictures == {"a.png": (32, 24), "a_2.png": (16, 16), "a_3.png": (17, 16)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenet", "a.png"], "has no layers that give detections in phase test"),
        (["cats.net", "a.png", "--labels", "a.txt"], "a.txt has 5 names; found has 3 classes"),
        (["cats.net", "none.png"], "none.png"),
    ],
)
def test_wrong_arguments_write_nothing(arguments, words, folder, capsys):
    (folder / "a.txt").write_text("1\n2\n3\n4\n5\n")
    assert run(["detect", *arguments, *WEIGHTS]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert not (folder / "detections").exists()


def test_scores_that_are_not_finite_are_an_error(folder, capsys):
    save(np.inf)
    assert run(["detect", "cats.net", "a.png", *WEIGHTS]) == 2
    assert "finite" in capsys.readouterr().err
