"""`netdef detect` of nets that score regions: one that proposes them, and one that is given them."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from netdef.cli.main import run
from netdef.cli.regions import factor

# Scores are softmax(0, 2 v, 3 v), v the brightest blue of a region. The box of class 1 is the region; that of 2 lies half a side
# to the right.
HEAD = """
layer blue: Convolution(data) { num_output: 1 kernel_size: 1 }
layer pool: ROIPooling(blue, rois) { pooled_w: 1 pooled_h: 1 spatial_scale: 1 }
layer cls_score: InnerProduct(pool) { num_output: 3 }
layer bbox_pred: InnerProduct(pool) { num_output: 12 }
layer cls_prob: Softmax(cls_score)
"""
FASTER = f"""
layer data: Input {{ shape {{ dim: [1, 3, 32, 32] }} }}
layer im_info: Input {{ shape {{ dim: [1, 3] }} }}
layer rpn: Convolution(data) {{ num_output: 2 kernel_size: 16 stride: 16 }}
layer move: Convolution(data) {{ num_output: 4 kernel_size: 16 stride: 16 weight_filler {{ type: "constant" }} }}
layer rois: Proposal(rpn, move, im_info) {{ ratio: 1 scale: 1 min_size: 1 post_nms_topn: 9 }}
{HEAD}
"""
FAST = "layer data: Input { shape { dim: [2, 3, 32, 32] } }\nlayer rois: Input { shape { dim: [4, 5] } }\n" + HEAD
CALL = ["--weights", "w.caffemodel", "--sides", "32,1000", "--mean", "0"]
BOXES = "a.png 32 0 62 30\na.png 64 0 94 30\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The nets, weights of both, and a black image of 96 x 64 pixels with a white square from (32, 0) to (63, 31)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faster.net").write_text(FASTER)
    (tmp_path / "fast.net").write_text(FAST)
    picture = Image.new("RGB", (96, 64))
    picture.paste("white", (32, 0, 64, 32))
    picture.save("a.png")
    save()
    return tmp_path


def save(score=3.0):
    with runtime.compile(netdef.load("faster.net")) as exe:
        blue = np.zeros((1, 3, 1, 1))
        blue[0, 0] = 1 / 255
        exe.set_param("blue", 0, blue)
        square = np.zeros((2, 3, 16, 16))
        square[1, 0] = 1 / 256 / 255
        exe.set_param("rpn", 0, square)
        exe.set_param("cls_score", 0, [[0], [2], [score]])
        exe.set_param("bbox_pred", 0, np.zeros((12, 1)))
        exe.set_param("bbox_pred", 1, [0] * 8 + [0.5, 0, 0, 0])
        exe.save_weights("w.caffemodel")


def chances(blue):
    powers = np.exp([0, 2 * blue, 3 * blue])
    return powers / powers.sum()


def test_a_net_that_proposes_regions(folder, capsys):
    (folder / "names.txt").write_text("dog\ncat\n")
    assert run(["detect", "faster.net", "a.png", *CALL, "--labels", "names.txt", "--least", "0.7"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["a.png", "  cat  0.705  48.5  0.0  81.5  33.0"]
    assert "data takes pixels with mean 0, 0, 0 and no scale; their shorter side is 32" in err
    assert np.asarray(Image.open("detections/a.png").convert("RGB")).shape == (64, 96, 3)


def test_a_net_that_is_given_regions_of_images_of_other_sizes(folder, capsys):
    (folder / "b").mkdir()
    Image.new("L", (40, 80), 255).save("b/c d.png")
    (folder / "boxes.txt").write_text(BOXES + "\nb/c d.png 10 0 29 19\nnone.png 0 0 1 1\n")
    arguments = ["--boxes", "boxes.txt", "--format", "json", "--least", "0.2"]
    assert run(["detect", "fast.net", "a.png", "b/c d.png", *CALL, *arguments]) == 0
    first, second = json.loads(capsys.readouterr().out)
    found = [(one["class"], one["score"]) for one in first["objects"]]
    white, gray = chances(1), chances(32 / 255)  # a pixel beside the square, made of four, is an eighth white
    np.testing.assert_allclose(found, [(2, white[2]), (2, gray[2]), (1, gray[1]), (1, white[1])], rtol=1e-5)
    np.testing.assert_allclose([one["box"] for one in second["objects"]], [[20, 0, 39, 20], [10, 0, 30, 20]], atol=1e-4)


PROPOSALS = """
import caffe


class Two(caffe.Layer):
    def setup(self, bottom, top):
        top[0].reshape(1, 5)

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        top[0].reshape(2, 5)
        top[0].data[...] = [[0, 16, 0, 31, 15], [0, 32, 16, 47, 31]]
"""


def test_regions_that_a_python_layer_proposes(folder, capsys):
    (folder / "proposing.py").write_text(PROPOSALS)
    built_in = FASTER[FASTER.index("Proposal(") : FASTER.index("layer blue")]
    text = FASTER.replace(built_in, 'Python(rpn, move, im_info) { module: "proposing" layer: "Two" }\n')
    (folder / "python.net").write_text(text)
    assert run(["detect", "python.net", "a.png", *CALL]) == 2
    assert "--allow-python" in capsys.readouterr().err
    assert run(["detect", "python.net", "a.png", *CALL, "--allow-python"]) == 0
    assert capsys.readouterr().out.splitlines() == ["a.png", "  class 2  0.705  47.5  0.0  78.5  31.0"]
    sys.modules.pop("proposing")


def test_pixels_are_as_published_nets_take_them_where_nothing_says_how(folder, capsys):
    assert run(["detect", "faster.net", "a.png", "--weights", "w.caffemodel"]) == 0
    out, err = capsys.readouterr()
    assert "mean 102.9801, 115.9465, 122.7717 and no scale, as published nets were trained: --mean changes it" in err
    assert "shorter side is 600, unless the longer one would be above 1000" in err
    assert f"class 2  {chances((255 - 102.9801) / 255)[2]:.3f}" in out


def test_an_image_is_the_callers_wherever_it_is(folder, capsys, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    call = ["--weights", "../w.caffemodel", *CALL[2:], "--inside"]
    assert run(["detect", "../faster.net", "../a.png", *call]) == 0
    assert "leads to" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "sides", "wanted"),
    [((500, 375), (600, 1000), 1.6), ((375, 1000), (600, 1000), 1.0), ((1, 9), (600, 1000), 1000 / 9), ((64, 96), (32, 48), 0.5)],
)
def test_the_shorter_side_becomes_600_and_the_longer_no_more_than_1000(size, sides, wanted):
    assert factor(size, sides) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fast.net"], "fast.net proposes no regions: its input rois takes those of another program"),
        (["faster.net", "--boxes", "boxes.txt"], "faster.net proposes regions of its own"),
        (["fast.net", "--boxes", "none.txt"], "cannot read a file of boxes none.txt"),
        (["fast.net", "--boxes", "other.txt"], "other.txt has no regions of a.png"),
        (["fast.net", "--boxes", "far.txt"], "far.txt has regions beyond a.png, 96 x 64 pixels, the first 0 0 64 96"),
        (["faster.net", "--sides", "600"], "--sides 600: expected the shorter side"),
        (["faster.net", "--labels", "boxes.txt"], "boxes.txt has 5 names; cls_prob has 3 classes"),
        (
            ["odd.net"],
            "the outputs of odd.net are not scores and boxes of regions: cls_score (3 a region), bbox_pred (12 a region)",
        ),
        (["more.net"], "the inputs of more.net are not those of Fast or Faster R-CNN: data, rois, more"),
        (["lenet", "--sides", "32,64"], "does not pool over regions: --sides says nothing about it"),
    ],
)
def test_what_does_not_fit_the_net_is_refused(arguments, words, folder, capsys):
    (folder / "boxes.txt").write_text("a\nb\nc\nd\ne\n")
    (folder / "other.txt").write_text("b.png 0 0 1 1\n")
    (folder / "far.txt").write_text("a.png 0 0 96 64\na.png 0 0 64 96\n")
    (folder / "odd.net").write_text(FAST.replace("layer cls_prob: Softmax(cls_score)", ""))
    (folder / "more.net").write_text(FAST + "layer more: Input { shape { dim: [1, 7] } }\nlayer off: Silence(more)")
    assert run(["detect", arguments[0], "a.png", "--weights", "w.caffemodel", *arguments[1:]]) == 2
    assert words in capsys.readouterr().err
    assert not (folder / "detections").exists()


def test_results_that_are_not_finite_are_an_error(folder, capsys):
    save(np.inf)
    assert run(["detect", "faster.net", "a.png", *CALL]) == 2
    assert "finite" in capsys.readouterr().err
