"""`netdef shapes`: the table, its other formats, its speed."""

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

import netdef
from netdef.cli.main import run
from netdef.language.units import binary, decimal
from netdef.shapes import WIDTH, describe, render
from tests.timing import times_of_libraries

SMALL = """
name: "small"
layer data: Input -> data, label { shape { dim: 2 dim: 4 dim: 8 dim: 8 } shape { dim: 2 } }
layer conv: Convolution(data) { num_output: 8 kernel_size: 3 pad: 1 group: 2 }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 5 bias_term: false param { name: "w" } }
layer fc2: InnerProduct(conv) { num_output: 5 bias_term: false param { name: "w" } }
layer loss: SoftmaxWithLoss(fc, label)
layer quiet: Silence(fc2)
"""


def test_the_table():
    assert render(netdef.parse(SMALL, "small.net")) == (
        "small (small.net), test phase, batch 2\n"
        "\n"
        "layer        type             output         weights + biases   parameters  MACs/image  activations\n"
        "---------------------------------------------------------------------------------------------------\n"
        "data         Input            2 x 2 x 8 x 8                                                2.00 KiB\n"
        "  and label                   1                                                                 8 B\n"
        "conv         Convolution      2 x 4 x 8 x 8  8 x 2 x 3 x 3 + 8         152      9.22 k     4.00 KiB\n"
        "relu         ReLU             2 x 4 x 8 x 8                                                in place\n"
        "fc           InnerProduct     5              5 x 512                 2,560      2.56 k         40 B\n"
        "fc2          InnerProduct     5              5 x 512 (of fc)             0      2.56 k         40 B\n"
        "loss         SoftmaxWithLoss  scalar                                                            4 B\n"
        "quiet        Silence\n"
        "---------------------------------------------------------------------------------------------------\n"
        "total                                                                2,712      14.3 k     6.09 KiB\n"
        "\n"
        "parameters:  10.6 KiB as float32\n"
        "MACs:        multiply-accumulates forward, 14.3 k of them in convolutions and inner products\n"
        "activations: of the whole batch as float32; output: of one image"
    )


def test_statistics_stand_apart_from_parameters():
    net = netdef.parse("layer data: Input { shape { dim: [2, 4, 8, 8] } } layer bn: BatchNorm(data) layer scale: Scale(bn)")
    table = render(net)
    assert "bn     BatchNorm  4 x 8 x 8  4 + 4 + 1                + 8" in table
    assert next(line for line in table.splitlines() if line.startswith("total")).split()[1] == "4"
    assert "parameters:  4 parameters + 8 statistics, 48 B as float32\n" in table
    assert "holds 1 number more:\n             the divisor of both of each BatchNorm layer\n" in table
    assert "statistics" not in render(netdef.parse(SMALL))
    facts = describe(net)
    assert (facts["totals"]["parameters"], facts["totals"]["statistics"]) == (4, 8)
    assert [layer["statistics"] for layer in facts["layers"]] == [0, 8, 0]
    rows = list(csv.DictReader(io.StringIO(render(net, "csv"))))
    assert [(row["parameters"], row["statistics"]) for row in rows] == [("0", "0"), ("0", "8"), ("4", "0")]


def test_alexnet_with_its_two_towers(capsys):
    assert run(["shapes", "alexnet"]) == 0
    table = capsys.readouterr().out
    rows = {line.split()[0]: line for line in table.splitlines() if line.strip()}
    for layer, output in {
        "conv1": "2 x 48 x 55 x 55",
        "pool1": "2 x 48 x 27 x 27",
        "conv2": "2 x 128 x 27 x 27",
        "pool2": "2 x 128 x 13 x 13",
        "conv3": "2 x 192 x 13 x 13",
        "conv4": "2 x 192 x 13 x 13",
        "conv5": "2 x 128 x 13 x 13",
        "pool5": "2 x 128 x 6 x 6",
        "fc6": "4096 ",
    }.items():
        assert f" {output}" in rows[layer]
    assert "105.4 M" in rows["conv1"]
    assert "60,965,224" in rows["total"]
    assert "724.4 M of them in convolutions and inner products" in table
    assert max(map(len, table.splitlines())) <= 110


def test_long_names_do_not_widen_the_table_beyond_its_limit():
    name = "inception_4a/output/branch_with_a_very_long_name_that_goes_on_and_on/3x3_reduce"
    text = SMALL.replace("layer conv:", f'layer {{ name: "{name}" type: "ReLU" bottom: "data" top: "q" }}\nlayer conv:')
    table = render(netdef.parse(text))
    assert max(len(line) for line in table.splitlines()) <= WIDTH
    assert "inception_4a" in table
    assert "3x3_reduce" in table


def test_shapes_without_the_batch_are_shown_whole():
    text = "layer data: Input { shape { dim: 2 dim: 3 } }\nlayer flat: Flatten(data) { axis: 0 }"
    assert describe(netdef.parse(text))["layers"][1]["tops"][0]["output"] == "6 in all"


def test_layers_that_keep_some_images_are_named():
    text = SMALL.replace("layer fc:", "layer chosen: Filter(conv, label) -> conv2\nlayer fc:")
    last = "images:      as many as go into chosen; a run has those that come out"
    assert render(netdef.parse(text)).splitlines()[-1] == last
    assert "images: " not in render(netdef.parse(SMALL))


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_data_formats(form, capsys):
    assert run(["shapes", "alexnet", "--format", form, "--batch", "7", "--phase", "train"]) == 0
    out = capsys.readouterr().out
    facts = json.loads(out) if form == "json" else yaml.safe_load(out)
    assert (facts["name"], facts["phase"], facts["batch"]) == ("AlexNet", "train", 7)
    assert facts["totals"]["parameters"] == 60_965_224
    conv2 = next(layer for layer in facts["layers"] if layer["name"] == "conv2")
    assert conv2["tops"] == [
        {"name": "conv2", "shape": [7, 256, 27, 27], "output": "2 x 128 x 27 x 27", "groups": 2, "bytes": 7 * 256 * 27 * 27 * 4}
    ]
    assert [w["shape"] for w in conv2["weights"]] == [[256, 48, 5, 5], [256]]
    assert (conv2["parameters"], conv2["macs_per_image"]) == (307_456, 223_948_800)
    assert sum(layer["activation_bytes"] for layer in facts["layers"]) == facts["totals"]["activation_bytes"]


def test_csv(capsys):
    assert run(["shapes", "alexnet", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    net = netdef.load("alexnet")
    assert sum(int(row["parameters"]) for row in rows) == 60_965_224
    assert sum(int(row["macs_per_image"]) for row in rows) == net.totals.macs
    assert sum(int(row["top_bytes"]) for row in rows) == net.totals.activation_bytes
    assert [row["layer"] for row in rows if row["type"] == "ImageData"] == ["data", "data"]


def test_units():
    assert [decimal(n) for n in (0, 999, 9_994, 9_996, 105_415_200, 1.135e9, 2e12)] == [
        "0", "999", "9.99 k", "10.0 k", "105.4 M", "1.14 G", "2.00 T",
    ]  # fmt: skip
    assert [binary(n) for n in (4, 1024, 58_080_000, 2**31)] == ["4 B", "1.00 KiB", "55.4 MiB", "2.00 GiB"]


@pytest.mark.slow
def test_it_costs_little_more_than_its_libraries():
    assert times_of_libraries(["shapes", "alexnet"]) < 3.5


def test_channels_of_data_that_are_not_here(tmp_path, capsys):
    text = 'layer data: Data -> data { source: "gone" batch_size: 2 transform_param { crop_size: 28 } }\n'
    (tmp_path / "x.net").write_text(text + "layer c: Convolution(data) { num_output: 20 kernel_size: 5 }")
    assert run(["shapes", str(tmp_path / "x.net")]) == 0
    said = capsys.readouterr()
    assert "note: Data data: its data are not here, and images of 3 channels are assumed" in said.err
    assert "1,520" in said.out
    assert run(["shapes", str(tmp_path / "x.net"), "--input", "1x28x28"]) == 0
    said = capsys.readouterr()
    assert (said.err, "520" in said.out, "1,520" in said.out) == ("", True, False)
    for wrong in ("1x2", "axbxc", "0x2x2"):
        assert run(["shapes", str(tmp_path / "x.net"), "--input", wrong]) == 2
        assert f"--input {wrong}: an image is channels x rows x columns" in capsys.readouterr().err


def test_compile_takes_the_phase_that_has_data(tmp_path, monkeypatch, capsys):
    """A net for testing only compiles in the test phase, unless another is asked for."""
    monkeypatch.chdir(tmp_path)
    Path("t.net").write_text("test layer x: DummyData { shape { dim: [2, 3] } }\nlayer y: ReLU(x)")
    assert run(["compile", "t.net"]) == 0
    assert run(["compile", "t.net", "--phase", "train"]) == 2
    assert "is not in phase train" in capsys.readouterr().err
