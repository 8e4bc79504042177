"""Training, testing and predicting on a folder of images."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdef.cli.main import run
from netdef.weights import read_weights
from tests.netdef.cli import images


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    images.make(folder)
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    assert run(["train", "shades.net", "solver.txt", "--out", "run"]) == 0
    patch.undo()
    return folder


@pytest.fixture
def folder(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


WEIGHTS = ["--weights", "run/shades_iter_30.caffemodel"]


def percentages(text):
    return [float(number) for number in re.findall(r"([\d.]+)%", text)]


def test_training_learns_the_classes(folder, capsys):
    assert run(["test", "shades.net", *WEIGHTS]) == 0
    out = capsys.readouterr().out
    assert "accuracy  100.00%" in out
    assert "over 20 images of 20 in all" in out


def test_predict_names_classes_by_their_folders(folder, capsys):
    paths = ["images/dark/11.png", "images/bright/03.png"]
    assert run(["predict", "shades.net", *paths, *WEIGHTS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[3]] == paths
    assert [lines[1].split()[1], lines[4].split()[1]] == ["dark", "bright"]
    assert sum(percentages(lines[1] + lines[2])) == pytest.approx(100, abs=0.02)


def test_more_images_than_a_batch_holds(folder, capsys):
    paths = [str(path) for path in sorted(Path("images").rglob("*.png"))]
    assert len(paths) == 20
    assert run(["predict", "shades.net", *paths, *WEIGHTS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[::3] == paths
    assert [line.split()[1] for line in lines[1::3]] == [Path(path).parent.name for path in paths]


def test_a_net_with_two_layers_of_images(folder, capsys):
    settings = "{ source: 'images' batch_size: 4 transform_param { crop_size: 16 } }"
    second = f"layer more: ImageData -> more, other {settings}\nlayer sink: Silence(more, other)\n"
    Path("two.net").write_text(Path("shades.net").read_text() + second)
    assert run(["predict", "two.net", "images/dark/10.png", *WEIGHTS]) == 2
    assert "data and more of two.net both read images" in capsys.readouterr().err


def test_labels_from_a_file(folder, capsys):
    Path("labels").write_text("n01440764 light one, lightest\nthe dark\n\n")
    run(["predict", "shades.net", "images/dark/11.png", "--labels", "labels", *WEIGHTS])
    out = capsys.readouterr().out.splitlines()
    assert out[1].split(maxsplit=1)[1] == "the dark"
    assert out[2].split(maxsplit=1)[1] == "light one, lightest"


def test_an_image_list_and_a_test_of_it(folder, capsys):
    Path("list").write_text("images/dark/10.png 0\nimages/dark/11.png 1\nimages/bright/00.png 0\n")
    assert run(["test", "shades.net", "--data", "list", "--batch", "3", *WEIGHTS]) == 0
    assert "accuracy  66.67%" in capsys.readouterr().out
    assert run(["test", "shades.net", "--data", "list", "--batch", "2", *WEIGHTS]) == 0
    assert "accuracy  66.67%\nover 3 images of 3 in all" in capsys.readouterr().out
    assert run(["test", "shades.net", "--data", "list", "--batch", "2", "--iterations", "2", *WEIGHTS]) == 0
    assert "over 4 images, 1 of them a second time" in capsys.readouterr().out
    assert run(["test", "shades.net", "--data", "list", "--batch", "2", "--iterations", "6", *WEIGHTS]) == 0
    assert "over 12 images, 4 times the 3 that there are" in capsys.readouterr().out


def test_data_option_is_divided_into_training_and_testing(folder, capsys):
    arguments = ["shades.net", "solver.txt", "--data", "images", "--out", "divided", "--iterations", "2"]
    assert run(["train", *arguments]) == 0
    capsys.readouterr()
    weights = ["--weights", "divided/shades_iter_2.caffemodel", "--batch", "1"]
    run(["test", "shades.net", "--data", "images", *weights])
    assert "over 4 images of 4 in all" in capsys.readouterr().out
    run(["test", "shades.net", *weights])  # which names the same folder
    assert "over 4 images of 4 in all" in capsys.readouterr().out


DEPLOY = """
input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }
layer conv: Convolution(data) { num_output: 4 kernel_size: 5 stride: 2 }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 2 }
layer prob: Softmax(fc)
"""


def test_a_net_with_an_input_layer(folder, capsys):
    Path("deploy.prototxt").write_text(DEPLOY)
    paths = ["images/dark/11.png", "images/bright/03.png"]
    assert run(["predict", "deploy.prototxt", *paths, *WEIGHTS, "--mean", "128"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[1].split()[1], lines[4].split()[1]] == ["dark", "bright"]
    assert run(["test", "deploy.prototxt", *WEIGHTS]) == 2
    assert "Input layers" in capsys.readouterr().err


def test_scores_of_some_images_are_given_to_none(folder, capsys):
    """The blue channel's first pixel is the selector: the second image drops out."""
    chosen = """layer one: DummyData { shape { dim: [1, 1, 1, 1] } }
layer first: Crop(data, one) { axis: 1 }
layer some: Filter(data, first)
layer conv: Convolution(some)"""
    Path("some.prototxt").write_text(DEPLOY.replace("layer conv: Convolution(data)", chosen))
    for name, shade in (("grey", 130), ("mean", 128)):
        Image.new("RGB", (16, 16), (shade,) * 3).save(f"{name}.png")
    assert run(["predict", "some.prototxt", "grey.png", "mean.png", *WEIGHTS, "--mean", "128"]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert "prob has 1 rows of scores for 2 images: whose they are is not known" in captured.err


def test_predictions_are_those_of_the_net(folder, capsys):
    """The probabilities printed are those of the executable on the same pixels."""
    import runtime

    Path("deploy.prototxt").write_text(DEPLOY)
    random = np.random.default_rng(5)
    pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("noise.png")
    run(["convert", WEIGHTS[1], "alone.caffemodel.h5"])  # without anything that says how the run took images
    capsys.readouterr()
    run(["predict", "deploy.prototxt", "noise.png", "--weights", "alone.caffemodel.h5", "--mean", "100,110,120"])
    shown = percentages(capsys.readouterr().out)
    with runtime.compile("deploy.prototxt", backward=False) as executable:
        executable.load_weights(WEIGHTS[1])
        blue_first = pixels[:, :, ::-1].astype(np.float32) - np.array([100, 110, 120], np.float32)
        prob = executable.forward(data=blue_first.transpose(2, 0, 1)[None])["prob"][0]
    assert shown == pytest.approx(sorted(100 * prob, reverse=True), abs=0.006)


@pytest.mark.slow
def test_missing_and_invalid_files_are_rejected(folder, capsys):
    Path("text.png").write_text("no image")
    cases = [
        (["predict", "shades.net", "gone.png", "text.png", *WEIGHTS], ["gone.png", "text.png"]),
        (["predict", "shades.net", "images/dark/11.png", "--weights", "gone"], ["gone"]),
        (["predict", "shades.net", "images/dark/11.png", *WEIGHTS, "--labels", "gone"], ["a file of labels gone"]),
        (["predict", "shades.net", "images/dark/11.png", *WEIGHTS, "--mean", "1"], ["leave --mean out"]),
        (["test", "shades.net", "--weights", "text.png"], ["text.png"]),
        (["test", "alexnet", *WEIGHTS], ["conv1"]),
    ]
    for arguments, said in cases:
        assert run(arguments) == 2, arguments
        err = capsys.readouterr().err
        assert all(text in err for text in said), err
        assert "Traceback" not in err


def test_resumed_bit_for_bit_with_shuffled_cropped_mirrored_images(tmp_path, monkeypatch):
    images.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    train = ["train", "shades.net", "solver.txt", "--out"]
    run([*train, "whole"])
    # 13 iterations of 4 images: in the middle of an epoch of 20, and between tests.
    run([*train, "cut", "--iterations", "13"])
    run([*train, "cut", "--resume", "latest"])
    whole, cut = (read_weights(f"{out}/shades_iter_30.caffemodel") for out in ("whole", "cut"))
    for layer, arrays in whole.items():
        for array, other in zip(arrays, cut[layer], strict=True):
            np.testing.assert_array_equal(array, other)


def test_a_bad_image_in_a_test(folder, capsys):
    Path("holed").write_text("images/dark/10.png 0\ngone.png 1\n")
    with warnings.catch_warnings(action="error"):
        assert run(["test", "shades.net", "--data", "holed", "--batch", "1", *WEIGHTS]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("skipping gone.png: there is no such file") == 1
    assert "1 image could not be read" in captured.out


def test_a_run_without_images_leaves_no_files(tmp_path, monkeypatch, capsys):
    images.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("holed").write_text("".join(f"gone{n}.png {n % 2}\n" for n in range(20)))
    before = sorted(tmp_path.rglob("*"))
    for out in ([], ["--out", "a/b"]):
        assert run(["train", "shades.net", "solver.txt", "--data", "holed", *out]) == 2
        assert "images of holed cannot be read: too many" in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before


def test_unreadable_images_are_named_once_and_skipped(tmp_path, monkeypatch, capsys):
    images.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("images/dark/12.png").write_bytes(b"broken")
    assert run(["train", "shades.net", "solver.txt"]) == 0
    assert capsys.readouterr().out.count("skipping images/dark/12.png") == 1
    assert Path("runs/shades-1/log.jsonl").read_text().count("skipping images/dark/12.png") == 1
