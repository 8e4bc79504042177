"""Nets whose image size only a database knows, as Caffe's for MNIST: all but shapes and costs is compared."""

import json

import pytest

from netdef.cli.main import run

NET = """
train layer data: Data -> data, label { source: "train_lmdb" batch_size: 64 transform_param { scale: 0.00390625 } }
test layer data: Data -> data, label { source: "test_lmdb" batch_size: 100 transform_param { scale: 0.00390625 } }
layer conv1: Convolution(data) { num_output: 20 kernel_size: 5 }
layer pool1: Pooling(conv1) { pool: MAX kernel_size: 2 stride: 2 }
layer ip1: InnerProduct(pool1) { num_output: 500 }
layer loss: SoftmaxWithLoss(ip1, label)
"""
PYTHON = """
layer data: Python -> data, label { module: "m" layer: "L" }
layer score: Convolution(data) { num_output: 21 kernel_size: 1 }
layer loss: SoftmaxWithLoss(score, label)
"""
COMPUTED = "layer image: Input { shape { dim: [1, 3, 8, 8] } }\n" + PYTHON.replace("Python", "Python(image)")
NOTE = "shapes and costs are not compared: Data data: the size of its images is not known here"


@pytest.fixture
def nets(tmp_path):
    def written(*texts):
        for name, text in zip("ab", texts, strict=True):
            (tmp_path / f"{name}.net").write_text(text)
        return [str(tmp_path / f"{name}.net") for name in "ab"]

    return written


def test_equal_nets_without_sizes(nets, capsys):
    a, b = nets(NET, NET.replace("20 kernel_size: 5", "20 stride: 1 kernel_size: 5"))
    assert run(["diff", a, b]) == 0
    assert capsys.readouterr().out == f"{a} -> {b}: no differences in test and train phases\n{NOTE}\n"


CHANGED = NET.replace("500", "300").replace("layer loss", "layer relu1: ReLU(ip1) -> r\nlayer drop1: Dropout(r) -> d\nlayer loss")
CHANGED = CHANGED.replace("(ip1, label)", "(d, label)")


def test_settings_and_layers_are_compared_without_shapes(nets, capsys):
    a, b = nets(NET, CHANGED)
    assert run(["diff", a, b]) == 1
    shown = f"""{a} -> {b}, test and train phases
{NOTE}

Inserted: relu1 (ReLU) and drop1 (Dropout)
  after ip1: relu1, drop1
  relu1: ReLU(ip1)
  drop1: Dropout(r)

Settings
  ip1  num_output  500 -> 300
"""
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("kernel_size: 2 stride: 2", "global_pooling: true", ["stride", "global_pooling"]),
        ("global_pooling: true", "global_pooling: true round_mode: CEIL", []),
    ],
)
def test_a_window_as_large_as_the_image_has_no_size(nets, before, after, found, capsys):
    """Nor is it as large after another convolution."""
    window = "kernel_size: 2 stride: 2"
    a, b = nets(NET.replace(window, before), NET.replace(window, after).replace("20", "20 pad: 2"))
    assert run(["diff", a, b, "--format", "json", "--phase", "test"]) == 1
    layers = {layer["before"][0]: layer["changes"] for layer in json.loads(capsys.readouterr().out)["phases"]["test"]["layers"]}
    assert [change["what"] for change in layers.get("pool1", [])] == found
    assert [change["what"] for change in layers["conv1"]] == ["pad"]


def test_images_of_other_channels_are_tried(nets, capsys):
    """Pairs of gray images, one a channel, as in Caffe's siamese net; and a net for images of 28 x 28 only."""
    cut = "layer s: Slice(data) -> x, y { slice_point: 1 }\n"
    pairs = NET.replace("layer conv1: Convolution(data)", cut + "layer conv1: Convolution(x)")
    coder = NET.replace("500", "784").replace("SoftmaxWithLoss(ip1, label)", "SigmoidCrossEntropyLoss(ip1, f)")
    for text in (pairs + "layer z: Silence(y)", coder.replace("layer loss", "layer f: Flatten(data)\nlayer loss")):
        assert run(["diff", *nets(text, text)]) == 0
        assert NOTE in capsys.readouterr().out


def test_data_of_hdf5_files(nets, capsys):
    text = NET.replace("Data ->", "HDF5Data ->").replace(" transform_param { scale: 0.00390625 }", "")
    assert run(["diff", *nets(text, text.replace("500", "400"))]) == 1
    found = capsys.readouterr().out
    assert "shapes and costs are not compared: HDF5Data data: only its HDF5 files give the shapes of its tops" in found
    assert "ip1  num_output  500 -> 400" in found


def test_data_of_a_python_class(nets, capsys):
    """A label for each pixel, as in networks that segment images."""
    assert run(["diff", *nets(PYTHON, PYTHON.replace("21", "40"))]) == 1
    found = capsys.readouterr().out
    assert "shapes and costs are not compared: Python data: only m.L gives the shapes of its tops" in found
    assert "score  num_output  21 -> 40" in found


def test_json_has_no_totals(nets, capsys):
    assert run(["diff", *nets(NET, CHANGED), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["notes"] == [NOTE]
    assert [phase["totals"] for phase in found["phases"].values()] == [None, None]
    assert all(not finding["costs"] and all(fact.keys() == {"layer"} for fact in finding["facts"]) for finding in found["findings"])


def test_html_has_no_totals(nets, capsys):
    assert run(["diff", *nets(NET, CHANGED), "--format", "html"]) == 1
    page = capsys.readouterr().out
    assert NOTE in page
    assert 'class="total"' not in page
    assert " x " not in page


def test_with_a_given_size_all_is_compared(nets, capsys):
    a, b = nets(NET.replace("{ scale", "{ crop_size: 28 scale"), NET)
    assert run(["diff", a, b]) == 1
    assert NOTE in capsys.readouterr().out
    assert run(["diff", a, b, "--set", "data.transform_param.crop_size=28"]) == 0
    assert NOTE not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NET.replace("kernel_size: 5", "kernel_size: 999"), "the size of its images is not known here"),
        (NET.replace("Convolution(data)", "Convolution(dta)"), "reads blob dta"),
    ],
)
def test_a_net_that_fits_no_size_is_an_error(nets, text, said, capsys):
    assert run(["diff", *nets(text, NET)]) == 2
    assert said in capsys.readouterr().err


def test_tops_of_code_need_not_be_images(nets, capsys):
    data = "layer {{ name: 'd' type: 'Python' top: 'data' top: 'label' python_param {{ module: 'm' layer: '{}' }} }}\n"
    rest = "layer ip: InnerProduct(data) { num_output: 2 }\nlayer loss: SoftmaxWithLoss(ip, label)"
    assert run(["diff", *nets(data.format("A") + rest, data.format("A") + rest)]) == 0
    assert run(["diff", *nets(data.format("A") + rest, data.format("B") + rest)]) == 1


def test_shapes_of_code_are_unknown_and_the_rest_is_compared(nets, capsys):
    assert run(["diff", *nets(COMPUTED, COMPUTED)]) == 0
    assert run(["diff", *nets(COMPUTED, NET)]) == 1
    assert "shapes and costs are not compared" in capsys.readouterr().out


def test_weights_are_not_compared_under_an_assumed_size(nets, capsys):
    assert run(["diff", nets(NET, NET)[0], "tests/goldens/files/snap_iter_4.caffemodel"]) == 2
    assert "the size of its images is not known here" in capsys.readouterr().err
