"""`netdef export`: files that agree, what they say of themselves, and what is refused before anything is written."""

from pathlib import Path

import numpy as np
import pytest

import runtime
from netdef.cli.main import run
from runtime.exchange.onnx_out import file
from runtime.exchange.onnx_out.check import run as run_onnx
from runtime.exchange.onnx_out.registry import RULES, load_rules
from tests.runtime.exchange.nets import compiled

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

NET = """name: "small"
layer data: Input -> data { shape { dim: [2, 3, 8, 8] } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 3 group: 1 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer norm: LRN(conv) { local_size: 3 alpha: 1 group: 2 }
layer pool: Pooling(norm) { kernel_size: 3 stride: 2 pad: 1 }
layer drop: Dropout(pool) -> pool
layer fc: InnerProduct(pool) { num_output: 5 weight_filler { type: "xavier" } }
layer prob: Softmax(fc)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(NET)
    with runtime.compile("small.net", "cpu", seed=1, threads=1) as exe:
        exe.save_weights("w.caffemodel")


def export(*arguments, out="x.onnx", net="small.net"):
    return run(["export", net, "--weights", "w.caffemodel", "-o", out, *arguments])


def metadata(path="x.onnx"):
    return {one.key: one.value for one in onnx.load(path).metadata_props}


def test_a_file_that_agrees(capsys):
    assert export() == 0
    first = Path("x.onnx").read_bytes()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "x.onnx: 8 layers, 437 parameters, opset 22, 2 images"
    assert said[1].startswith("ONNX Runtime agrees on prob: largest difference ")
    model = onnx.load("x.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [node.name for node in model.graph.node if node.name in ("conv", "pool", "fc")] == ["conv", "pool", "fc"]
    assert export() == 0
    assert Path("x.onnx").read_bytes() == first  # the same bytes for the same input


def test_sequences_that_go_on_from_run_to_run():
    """The file is compared on several inputs, and each time its states are those of a first run."""
    text = """layer data: Input -> x, cont { shape { dim: [3, 2, 4] } shape { dim: [3, 2] } }
              layer lstm: LSTM(x, cont) { num_output: 5 weight_filler { type: "uniform" min: -1 } bias_filler { value: 0.5 } }"""
    Path("sequence.net").write_text(text)
    with runtime.compile("sequence.net", "cpu", seed=1, threads=1) as exe:
        exe.save_weights("w.caffemodel")
    assert export(net="sequence.net") == 0


def test_any_number_of_images():
    assert export("--batch", "dynamic", "--opset", "13") == 0
    model = onnx.load("x.onnx")
    assert model.opset_import[0].version == 13
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    images = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)
    whole = run_onnx("x.onnx", {"data": images})["prob"]
    one = run_onnx("x.onnx", {"data": images[3:4]})["prob"]
    np.testing.assert_allclose(whole[3:4], one, rtol=1e-5)


def test_pixels_in_the_graph():
    assert export("--no-check") == 0
    assert export("--mean", "1,2,3", "--scale", "0.5", "--rgb", out="pixels.onnx") == 0
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 3, 8, 8)).astype(np.float32)
    expected = run_onnx(
        "x.onnx", {"data": (pixels[:, ::-1] - np.reshape([1, 2, 3], (3, 1, 1)).astype(np.float32)) * np.float32(0.5)}
    )
    np.testing.assert_allclose(run_onnx("pixels.onnx", {"data": pixels})["prob"], expected["prob"], rtol=1e-5, atol=1e-7)
    found = metadata("pixels.onnx")
    assert (found["order"], found["mean"], found["scale"]) == ("RGB", "1,2,3, in the graph", "0.5, in the graph")
    assert export("--no-check", "--rgb", out="rgb.onnx") == 0
    found = metadata("rgb.onnx")
    assert (found["order"], found["mean"], found["scale"]) == ("RGB", "not known", "not known")
    assert export("--scale", "0", out="x.npz") == 2


def test_a_mean_image_and_labels():
    Path("labels.txt").write_text("a\nb\nc\nd\ne\n")
    np.save("mean.npy", np.random.default_rng(0).uniform(0, 9, (3, 8, 8)))
    assert export("--mean", "mean.npy", "--labels", "labels.txt") == 0
    assert metadata()["labels"] == "a\nb\nc\nd\ne"
    assert metadata()["order"] == "BGR"


def test_losses_labels_and_data_are_left_out(capsys):
    text = NET.replace("layer data: Input -> data { shape { dim: [2, 3, 8, 8] } }", DATA).replace(
        "layer prob: Softmax(fc)\n", LOSSES
    )
    Path("small.net").write_text(text)
    assert export() == 0
    assert "left out, as they need labels: loss, second, right" in capsys.readouterr().out
    model = onnx.load("x.onnx")
    assert [one.name for one in model.graph.input] == ["data"]
    assert [one.name for one in model.graph.output] == ["probabilities"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert (metadata()["mean"], metadata()["scale"]) == ("104,117,123", "0.1")
    assert (metadata()["crop_h"], metadata()["crop_w"]) == ("8", "8")


DATA = """layer data: ImageData -> data, label {
  source: "none.txt" batch_size: 7 transform_param { crop_h: 8 crop_w: 8 mean_value: [104, 117, 123] scale: 0.1 } }"""
LOSSES = """layer loss: SoftmaxWithLoss(fc, label) -> loss, probabilities
layer second: EuclideanLoss(fc, fc) -> second
layer right: Accuracy(fc, label)
"""


def test_weights_beside_a_large_model(monkeypatch):
    assert export() == 0
    inside = onnx.load("x.onnx")
    monkeypatch.setattr(file, "MOST_INSIDE", 0)
    assert export(out="y.onnx") == 0
    assert sorted(path.name for path in Path().glob("*y.onnx*")) == ["y.onnx", "y.onnx.data"]
    for a, b in zip(inside.graph.initializer, onnx.load("y.onnx").graph.initializer, strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(a), onnx.numpy_helper.to_array(b))


@pytest.mark.parametrize(("kind", "named"), [("InnerProduct", "fc (InnerProduct)"), ("LRN", "norm (LRN)")])
def test_a_file_that_differs_is_not_kept(kind, named, monkeypatch, capsys):
    """A rule that is wrong: the layer is named, and the file that was there stays."""
    load_rules()
    right = RULES[kind]

    def wrong(layer, on):
        right(layer, on)
        node = on.graph.nodes[-1]
        made = on.graph.fresh("wrong")
        on.graph.nodes[-1] = type(node)(node.kind, node.name, node.inputs, (made,), node.attributes, node.layer)
        on.out("Mul", made, on.constant(np.float32(1.001), "more"))

    monkeypatch.setitem(RULES, kind, wrong)
    Path("x.onnx").write_text("what was there")
    assert export() == 2
    said = capsys.readouterr().err
    assert "of the exported file differs from netdef's by" in said
    assert f"the first layer that differs is {named}" in said
    assert sorted(path.name for path in Path().iterdir()) == ["small.net", "w.caffemodel", "x.onnx"]
    assert Path("x.onnx").read_text() == "what was there"


WRONG = """layer data: Input -> data, rois { shape { dim: [1, 8, 9, 9] } shape { dim: [2, 5] } }
layer pool: Pooling(data) { pool: MAX kernel_size: 1 stride: 4 pad: 0 }
layer far: Pooling(data) { pool: MAX kernel_size: 2 stride: 5 }
layer parts: PSROIPooling(data, rois) { spatial_scale: 1 output_dim: 2 group_size: 2 }
layer new: MyOwn(data)
layer odd: Pooling(data) { pool: AVE kernel_size: 2 stride: 8 }
"""


def test_all_that_cannot_be_exported_at_once(capsys):
    Path("wrong.net").write_text(WRONG)
    assert export(net="wrong.net") == 2
    said = capsys.readouterr().err
    for place in ("wrong.net:4:14: error: PSROIPooling parts", "wrong.net:5:12: error: MyOwn new: it cannot be exported"):
        assert place in said
    assert not Path("x.onnx").exists()


def test_layers_that_need_a_number_of_images(capsys):
    text = (
        "layer data: Input -> data { shape { dim: [2, 4] } }\nlayer half: Slice(data) -> a, b { axis: 0 }\nlayer relu: ReLU(data)\n"
    )
    Path("sliced.net").write_text(text)
    assert export("--batch", "dynamic", net="sliced.net") == 2
    said = capsys.readouterr().err
    assert "sliced.net:2" in said
    assert said.count("error:") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--opset", "30"], "--opset 30: netdef writes opsets 13 to 22"),
        (["--mean", "1,2"], "--mean 1,2: the mean has 2 values for 3 channels"),
        (["--scale", "0"], "--scale 0 leaves nothing"),
        (["--batch", "0"], "0 is not in the range"),
        (["--labels", "none.txt"], "none.txt"),
        (["--to", "npz", "--opset", "22"], "--opset is about ONNX files"),
        (["--to", "npz", "--batch", "2"], "--batch changes no weights"),
        (["-o", "x.pb"], "it is given 2 times"),
    ],
)
def test_wrong_options(arguments, said, capsys):
    assert export(*arguments) == 2
    assert said in capsys.readouterr().err
    assert not list(Path().glob("x.*"))


def test_an_ending_that_says_nothing(capsys):
    assert export(out="x.pb") == 2
    assert "x.pb: unknown ending" in capsys.readouterr().err


def test_arrays_alone():
    from runtime.exchange.arrays import read_safetensors

    assert export(out="x.npz") == 0
    assert export(out="x.safetensors") == 0
    held = read_safetensors("x.safetensors")
    with np.load("x.npz") as arrays:
        assert list(held) == list(arrays) == ["conv/0", "conv/1", "fc/0", "fc/1"]
        for name, array in held.items():
            np.testing.assert_array_equal(array, arrays[name])


def test_a_run_is_a_net_with_weights():
    Path("run").mkdir()
    Path("run/net.net").write_text(NET)
    with compiled(runtime.compile("small.net", "cpu", threads=1).net) as exe:
        exe.save_weights("run/small_iter_3.caffemodel")
    Path("run/small_iter_3.solverstate").write_bytes(b"")
    assert run(["export", "run", "-o", "x.onnx"]) == 0
