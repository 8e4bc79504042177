"""`netdef draw` with weights, and of binary files."""

import json
import re
from pathlib import Path

import pytest

import netdef
import runtime
from netdef.cli.main import run
from netdef.language import read_text

NET = """name: "small"
layer data: Input -> data { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
layer fc: InnerProduct(conv) { num_output: 2 weight_filler { type: "xavier" } }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(NET)
    with runtime.compile(netdef.load("small.net"), "cpu", seed=1, backward=False) as exe:
        exe.save_weights("w.caffemodel")


def facts(path):
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', Path(path).read_text(), re.DOTALL)
    return {section["name"]: section for stage in json.loads(found[1]) for section in stage}


def test_a_page_with_weights(capsys):
    more = NET + "layer last: InnerProduct(fc) { num_output: 2 }\n"
    Path("more.net").write_text(more)
    with runtime.compile(netdef.parse(more.replace("layer fc", "layer other").replace("(fc)", "(other)")), "cpu") as exe:
        exe.save_weights("last.caffemodel")
    assert run(["draw", "more.net", "--weights", "w.caffemodel", "-o", "x.html"]) == 0
    assert "no weights for 1 layer: last; their values are not drawn" in capsys.readouterr().err
    assert run(["draw", "more.net", "--weights", "w.caffemodel,last.caffemodel", "-o", "x.html"]) == 0
    assert "histograms" in facts("x.html")["last"] and "no weights" not in capsys.readouterr().err
    assert run(["draw", "small.net", "--weights", "w.caffemodel", "-o", "x.html"]) == 0
    known = facts("x.html")
    weights, biases = known["conv"]["histograms"]
    assert sum(weights["counts"]) == 4 * 27 and weights["text"].startswith("weights 4 x 3 x 3 x 3: mean ")
    assert (sum(biases["counts"]), biases["low"], biases["high"]) == (4, "0", "0")
    assert known["conv"]["filters"]["source"].startswith("data:image/png;base64,")
    assert "filters" not in known["fc"] and "histograms" not in known["data"]
    assert ["biases", "4"] in known["conv"]["rows"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "x.svg"], "weights are shown in a page"),
        (["-o", "x.html", "--weights", "nothere.caffemodel"], "nothere.caffemodel"),
    ],
)
def test_weights_that_cannot_be_shown(arguments, said, capsys):
    assert run(["draw", "small.net", "--weights", "w.caffemodel", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not Path("x.svg").exists() and not Path("x.html").exists()


def test_a_binary_net_is_drawn_in_the_phase_that_is_whole(capsys):
    """As a .caffemodel of a training net: its last layer reads in the test phase what only training makes."""
    text = NET + "train layer extra: ReLU(fc) -> extra\nlayer out: Sigmoid(extra)"
    Path("trained.caffemodel").write_bytes(read_text(text, "x.net", "NetParameter").message.SerializeToString())
    assert run(["draw", "trained.caffemodel", "-o", "x.svg"]) == 0
    assert "is drawn in the train phase" in capsys.readouterr().err and Path("x.svg").exists()
    assert run(["draw", "trained.caffemodel", "-o", "y.svg", "--phase", "test"]) == 2
    Path("text.net").write_text(text)
    assert run(["draw", "text.net", "-o", "y.svg"]) == 2 and not Path("y.svg").exists()
