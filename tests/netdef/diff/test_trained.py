"""What is said where a net is not the one that its weights were trained in."""

import os
import threading

import pytest

import netdef
import runtime
from netdef.cli.main import run
from netdef.diff.trained import other_settings
from netdef.schema import message_class
from netdef.weights.trained_net import trained_net

NET = """
name: "trained"
layer data: DummyData -> data { shape { dim: [2, 3, 8, 8] } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 3 stride: 1 pad: 1 weight_filler { type: "xavier" } }
layer norm: LRN(conv) { local_size: 3 alpha: 0.1 }
layer pool: Pooling(norm) { kernel_size: 2 stride: 2 }
layer relu: ReLU(pool)
layer drop: Dropout(relu) { dropout_ratio: 0.4 }
layer fc: InnerProduct(drop) { num_output: 2 }
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights as netdef writes them, and the same in a file of the V1 format."""
    path = tmp_path_factory.mktemp("trained") / "w.caffemodel"
    with runtime.compile(netdef.parse(NET), backward=False) as executable:
        executable.save_weights(path)
    return path


def said(weights, before, after):
    assert before in NET
    return other_settings(netdef.parse(NET.replace(before, after)), trained_net(weights))


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("kernel_size: 2 stride: 2", "kernel_size: 2 stride: 2", []),
        ("kernel_size: 2", "kernel_size: 3", ["trained with pool.kernel_size 2, this net has 3"]),
        ("{ kernel_size: 2", "{ pool: AVE kernel_size: 2", ["trained with pool.pool MAX (default), this net has AVE"]),
        ("alpha: 0.1", "alpha: 0.2", ["trained with norm.alpha 0.1, this net has 0.2"]),
        ("stride: 1", "stride: 2", ["trained with conv.stride 1, this net has 2"]),
        ("relu: ReLU", "relu: TanH", ["trained with relu.type ReLU, this net has TanH"]),
        # what does not change the results
        ("dropout_ratio: 0.4", "dropout_ratio: 0.5", []),
        ("dim: [2, 3, 8, 8]", "dim: [7, 3, 8, 8]", []),
        ('type: "xavier"', 'type: "msra"', []),
        ("layer fc", "layer fc2", []),
        ("kernel_size: 2 stride: 2", "engine: CUDNN kernel_size: 2 stride: 2", []),
    ],
)
def test_settings_that_change_the_results(weights, before, after, lines):
    assert said(weights, before, after) == lines


def test_pixels():
    """Scales and means of a layer of images, whatever its type."""
    text = """layer data: ImageData -> data, label {{ source: "x" batch_size: 1 new_height: 4 new_width: 4
      transform_param {{ {} }} }}"""
    trained = message_class("NetParameter")()
    data = trained.layer.add(name="data", type="Data")
    data.transform_param.scale, data.transform_param.mirror = 0.5, True
    assert other_settings(netdef.parse(text.format("scale: 0.5 crop_size: 2")), trained) == []
    found = other_settings(netdef.parse(text.format("mean_value: 7")), trained)
    assert found == [
        "trained with data.transform_param.scale 0.5, this net has 1 (default)",
        "trained with data.transform_param.mean_value none, this net has 7",
    ]


@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [([], [0, 0, 0], False), ([0], [], False), ([7], [7, 7, 7], False), ([], [0, 0, 1], True), ([7], [7, 7, 0], True)],
)
def test_means_written_in_another_way(before, after, differ):
    """One value is that of every channel, and no value is 0."""
    trained = message_class("NetParameter")()
    trained.layer.add(name="data", type="ImageData").transform_param.mean_value.extend(before)
    values = " ".join(f"mean_value: {value}" for value in after)
    text = 'layer data: ImageData -> data, label { source: "x" new_height: 4 new_width: 4 transform_param { VALUES } }'
    assert bool(other_settings(netdef.parse(text.replace("VALUES", values)), trained)) == differ


def test_layers_that_differ_alike_are_one_line():
    relus = "".join(
        f"layer r{number}: ReLU({'data' if not number else f'r{number - 1}'}) {{ negative_slope: SLOPE }}" for number in range(12)
    )
    text = "layer data: Input { shape { dim: [1, 4] } }" + relus
    before, after = (netdef.parse(text.replace("SLOPE", slope)) for slope in ("0.1", "0.2"))
    (line,) = other_settings(after, before.message)
    assert line == "trained with negative_slope 0.1 in r0, r1, r2, r3, r4, r5, r6, r7 and 4 more, this net has 0.2"


def test_older_formats(tmp_path):
    """A net of Caffe's V1 and V0 formats, of which only the arrays are left out."""
    old = message_class("NetParameter")(name="old")
    layer = old.layers.add(name="pool", type="POOLING", bottom=["a"], top=["b"])
    layer.pooling_param.kernel_size = 5
    layer.blobs.add(data=[1.0] * 1000)
    inner = old.layers.add(bottom=["b"], top=["c"]).layer
    inner.name, inner.type, inner.kernelsize = "pool2", "pool", 3
    inner.blobs.add(data=[1.0] * 1000)
    for only in (0, 1):
        one = type(old)(name="old")
        one.layers.append(old.layers[only])
        (tmp_path / "old.caffemodel").write_bytes(one.SerializeToString())
        (found,) = trained_net(tmp_path / "old.caffemodel").layer
        assert (found.type, found.pooling_param.kernel_size, len(found.blobs)) == ("Pooling", (5, 3)[only], 0)


def test_a_pipe_is_not_read_twice(weights, tmp_path):
    pipe = tmp_path / "pipe.caffemodel"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(weights.read_bytes()))
    writer.start()
    with runtime.compile(netdef.parse(NET), backward=False) as executable:
        assert executable.load_weights(pipe).filled == ("conv", "fc")
    writer.join()


def test_loading_says_it(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.net").write_text(NET.replace("kernel_size: 2", "kernel_size: 3").replace("DummyData", "Input"))
    lines = []
    with runtime.compile(netdef.load("other.net"), backward=False) as executable:
        executable.load_weights(weights, say=lines.append)
    assert lines == [f"warning: {weights}: trained with pool.kernel_size 2, this net has 3"]
    assert run(["convert", str(weights), "w.caffemodel.h5"]) == 0
    assert trained_net("w.caffemodel.h5") is None
