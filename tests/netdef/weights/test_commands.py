"""Files of weights without a net, and with names like GoogLeNet's, in every command that reads them without running anything."""

import csv
import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from netdef.cli.main import run
from netdef.schema import message_class
from netdef.weights import read_weights
from tests.netdef.weights.files import BINARY, HDF5, same

NET = """name: "inception"
layer data: Input { shape { dim: [1, 3, 8, 8] } }
layer "conv1/7x7_s2": Convolution(data) { num_output: 4 kernel_size: 3 }
layer "inception_3a/1x1": Convolution("conv1/7x7_s2") { num_output: 2 kernel_size: 1 }
layer "loss3/classifier": InnerProduct("inception_3a/1x1") { num_output: 5 }
"""
SHAPES = {"conv1/7x7_s2": [(4, 3, 3, 3), (4,)], "inception_3a/1x1": [(2, 4, 1, 1), (2,)], "loss3/classifier": [(5, 72), (5,)]}


@pytest.fixture
def googlenet(tmp_path, monkeypatch):
    """A net whose layers have slashes in their names, and its weights as HDF5."""
    monkeypatch.chdir(tmp_path)
    Path("g.net").write_text(NET)
    with h5py.File("g.caffemodel.h5", "w") as file:
        for layer, shapes in SHAPES.items():
            for index, shape in enumerate(shapes):
                file[f"data/{layer}/{index}"] = np.random.default_rng(index).standard_normal(shape).astype("f4")
    return tmp_path


def write_nan(path):
    """Caffe's own weights, but for one number."""
    message = message_class("NetParameter").FromString(BINARY.read_bytes())
    next(layer for layer in message.layer if layer.name == "fc").blobs[1].data[2] = float("nan")
    Path(path).write_bytes(message.SerializeToString())


def test_diff(googlenet, capsys):
    assert run(["diff", "g.net", "g.caffemodel.h5"]) == 0
    assert "weights of 3 of 3 layers fit" in capsys.readouterr().out
    assert run(["diff", "g.caffemodel.h5", "g.caffemodel.h5"]) == 0
    Path("other.net").write_text(NET.replace("num_output: 5", "num_output: 6"))
    assert run(["diff", "other.net", "g.caffemodel.h5"]) == 1
    assert "loss3/classifier  weights  6 x 72 + 6 -> 5 x 72 + 5" in capsys.readouterr().out


def test_convert_both_ways(googlenet, capsys):
    assert run(["convert", "g.caffemodel.h5", "g.caffemodel"]) == 0
    assert "g.caffemodel.h5 -> g.caffemodel: weights of 3 layers, without their net" in capsys.readouterr().out
    same(read_weights("g.caffemodel"), read_weights("g.caffemodel.h5"))
    assert run(["diff", "g.caffemodel", "g.caffemodel.h5"]) == 0
    assert run(["convert", "g.caffemodel", "again.h5"]) == 0
    same(read_weights("again.h5"), read_weights("g.caffemodel.h5"))
    assert run(["convert", str(BINARY), "snap.caffemodel.h5"]) == 0
    same(read_weights("snap.caffemodel.h5"), read_weights(HDF5))
    assert run(["convert", str(HDF5), "copy.h5"]) == 0
    same(read_weights("copy.h5"), read_weights(HDF5))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["g.caffemodel.h5", "g.prototxt"], "g.caffemodel.h5 holds weights and no net: g.prototxt would be empty"),
        (["g.caffemodel.h5", "x.caffemodel", "--no-weights"], "holds weights and no net"),
        (["g.caffemodel.h5", "x.caffemodel", "--set", "a.b=1"], "holds weights and no net: --set"),
        (["g.net", "x.h5"], "g.net holds no weights"),
        ([str(BINARY), "x.h5", "--no-weights"], "x.h5 holds only weights, no net"),
        (["cut.h5", "x.caffemodel"], "cut.h5 is not a whole .caffemodel.h5"),
        (["shared.h5", "x.caffemodel"], "shared.h5 leaves fc an array that belongs to another layer"),
        (["nan.h5", "x.caffemodel"], "nan.h5 holds numbers that are not finite, in\n  fc/0 (2): 1 NaN of 2"),
        (["nan.caffemodel", "x.binaryproto"], "nan.caffemodel holds numbers that are not finite"),
    ],
)
def test_impossible_conversions(googlenet, arguments, said, capsys):
    Path("cut.h5").write_bytes(HDF5.read_bytes()[:2000])
    with h5py.File("shared.h5", "w") as file:
        file["data/fc/1"] = np.ones(2, "f4")
    with h5py.File("nan.h5", "w") as file:
        file["data/fc/0"] = np.array([1, np.nan], "f4")
    write_nan("nan.caffemodel")
    before = sorted(googlenet.iterdir())
    assert run(["convert", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert sorted(googlenet.iterdir()) == before


def test_weights_that_are_not_finite_may_stay_behind(googlenet, capsys):
    write_nan("nan.caffemodel")
    assert run(["convert", "nan.caffemodel", "x.prototxt"]) == 0
    assert run(["diff", "nan.caffemodel", str(BINARY)]) == 2
    assert "fc/1 (5): 1 NaN of 5" in capsys.readouterr().err


def test_shapes(googlenet, capsys):
    assert run(["shapes", "g.caffemodel.h5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("g.caffemodel.h5: weights of 3 layers, without their net\n")
    assert "conv1/7x7_s2      4 x 3 x 3 x 3 + 4         112\n" in out
    assert "total                                       487\n" in out
    assert out.endswith("as float32; without the net, running statistics are counted as well\n")
    assert run(["shapes", "g.caffemodel.h5", "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["totals"] == {"parameters": 487}
    assert facts["layers"][1] == {
        "name": "inception_3a/1x1",
        "weights": [{"shape": [2, 4, 1, 1], "count": 8}, {"shape": [2], "count": 2}],
        "parameters": 10,
    }
    assert run(["shapes", "g.caffemodel.h5", "--format", "csv"]) == 0
    assert list(csv.reader(io.StringIO(capsys.readouterr().out)))[3] == ["loss3/classifier", "5 x 72 + 5", "365"]
    assert run(["shapes", "g.caffemodel.h5", "--format", "yaml"]) == 0
    assert "name: inception_3a/1x1" in capsys.readouterr().out
    assert run(["shapes", "g.caffemodel.h5", "--batch", "3"]) == 2
    assert "--batch: of no use" in capsys.readouterr().err


def write_normalised(path, source):
    """Weights with their net, a BatchNorm layer in it, whose images come from an Input or a Data layer."""
    message = message_class("NetParameter")(name="n")
    data = message.layer.add(name="data", type=source, top=["data"])
    if source == "Input":
        data.input_param.shape.add(dim=[2, 4, 5, 5])
    else:
        data.data_param.source = "gone"
        data.data_param.batch_size = 2
    norm = message.layer.add(name="norm", type="BatchNorm", bottom=["data"], top=["norm"])
    fc = message.layer.add(name="fc", type="InnerProduct", bottom=["norm"], top=["fc"])
    fc.inner_product_param.num_output = 3
    fc.inner_product_param.bias_term = False
    for layer, shapes in ((norm, [(4,), (4,), (1,)]), (fc, [(3, 100)])):
        for shape in shapes:
            layer.blobs.add(data=np.ones(np.prod(shape))).shape.dim.extend(shape)
    Path(path).write_bytes(message.SerializeToString())


def test_shapes_of_weights_whose_net_has_no_sizes(googlenet, capsys):
    """Running statistics are counted apart, as in the net with sizes."""
    write_normalised("sized.caffemodel", "Input")
    assert run(["shapes", "sized.caffemodel"]) == 0
    line = "300 parameters + 8 statistics, 1.20 KiB as float32"
    assert line in capsys.readouterr().out
    write_normalised("data.caffemodel", "Data")
    assert run(["shapes", "data.caffemodel"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "note: Data data: the size of its images is not known here, so that the shapes of blobs are left out\n"
    assert captured.out.startswith("data.caffemodel: weights of 2 layers, without the shapes of blobs\n")
    assert "norm   4 + 4 + 1                + 8\nfc     3 x 100                  300\n" in captured.out
    assert captured.out.endswith(f"parameters: {line}\n")
    assert run(["shapes", "data.caffemodel", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"] == {"parameters": 300, "statistics": 8}
    assert run(["shapes", "data.caffemodel", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "layer,weights,parameters,statistics\nnorm,4 + 4 + 1,0,8\nfc,3 x 100,300,0\n"


def test_shapes_of_a_net_without_sizes(googlenet, capsys):
    write_normalised("data.caffemodel", "Data")
    assert run(["shapes", "data.caffemodel", "--batch", "3"]) == 2  # that would have no effect
    Path("text.net").write_text("layer data: Data { source: 'gone' batch_size: 2 }")
    assert run(["shapes", "text.net"]) == 0
    said = capsys.readouterr()
    assert said.err.count("the size of its images is not known here") == 2
    assert "\ndata   Data  ? " in said.out


def test_shapes_of_weights_whose_layers_have_no_types(googlenet, capsys):
    assert run(["convert", "g.caffemodel.h5", "plain.caffemodel"]) == 0
    assert run(["shapes", "g.caffemodel.h5"]) == 0
    table = capsys.readouterr().out.partition("\n")[2].partition("\n")[2]
    assert run(["shapes", "plain.caffemodel"]) == 0
    assert capsys.readouterr().out == f"plain.caffemodel: weights of 3 layers, without their net\n{table}"


@pytest.mark.parametrize("command", ["shapes", "diff", "check"])
def test_pointers_of_git_lfs(googlenet, command, capsys):
    Path("x.caffemodel").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n")
    assert run([command, "x.caffemodel", *(["g.net"] if command == "diff" else [])]) == 2
    captured = capsys.readouterr()
    assert "a pointer of Git LFS to a file that was not downloaded" in captured.out + captured.err
