"""`bypass layer`: a layer is left out, and its readers read what it read."""

from pathlib import Path

import pytest

import netdef
from netdef.fmt import formatted
from netdef.language import NetdefError
from netdef.language.kinds import NET, kind_of_text
from tests.netdef.language.test_include import BASE, folder  # noqa: F401 - a fixture

DATA = "layer data: Input { shape { dim: [2, 3, 9, 9] } }\n"


def reads(net):
    """What each layer reads, by name."""
    return {layer.name: [blob.name for blob in layer.bottoms] for layer in net.layers}


def said(text):
    with pytest.raises(NetdefError) as caught:
        netdef.parse(text)
    return str(caught.value)


def test_readers_read_what_the_layer_read(folder):  # noqa: F811
    net = netdef.load(folder('include "base.net"\nbypass layer norm1'))
    assert reads(net)["conv2"] == ["conv1"] and "norm1" not in reads(net)
    assert net.layer("conv2").bottoms[0].producer.name == "relu1"


def test_the_variant_is_the_net_without_the_layer(folder):  # noqa: F811
    name = folder('include "base.net"\nbypass layer norm1')
    plain = BASE.replace("layer norm1: LRN(conv1)\n", "").replace("Convolution(norm1)", "Convolution(conv1)")
    for phase in ("train", "test"):
        assert netdef.load(name, phase).message == netdef.parse(plain, phase=phase).message
    text = Path(name).read_text()
    assert netdef.parse(formatted(text, name, "prototxt")).message == netdef.parse(plain).message


def test_one_after_the_other():
    text = DATA + "layer a: ReLU(data)\nlayer b: TanH(a)\nlayer c: Sigmoid(b)\n"
    for order in ("bypass layer a\nbypass layer b", "bypass layer b\nbypass layer a"):
        assert reads(netdef.parse(text + order)) == {"data": [], "c": ["data"]}


def test_a_layer_in_place_is_only_left_out():
    text = DATA + "layer a: ReLU(data)\nlayer drop: Dropout(a) -> a\nlayer b: TanH(a)\nbypass layer drop"
    assert reads(netdef.parse(text)) == {"data": [], "a": ["data"], "b": ["a"]}


def test_a_reader_in_place_makes_its_top_anew():
    text = DATA + "layer a: LRN(data)\nlayer r: ReLU(a) -> a\nlayer b: TanH(a)\nbypass layer a"
    net = netdef.parse(text)
    assert reads(net) == {"data": [], "r": ["data"], "b": ["a"]}
    assert [top.name for top in net.layer("r").tops] == ["a"]


def test_a_blob_that_is_read_twice():
    text = DATA + "layer a: LRN(data)\nlayer sum: Eltwise(a, a)\nlayer b: Eltwise(data, a)\nbypass layer a"
    assert reads(netdef.parse(text)) == {"data": [], "sum": ["data", "data"], "b": ["data", "data"]}


def test_a_later_layer_of_that_top_keeps_its_readers():
    text = DATA + "layer a: LRN(data)\nlayer b: TanH(a)\nlayer c: ReLU(data) -> a\nlayer d: TanH(a)\nbypass layer a"
    assert reads(netdef.parse(text)) == {"data": [], "b": ["data"], "c": ["data"], "d": ["a"]}


def test_a_bottom_that_changes_before_it_is_read_is_reported():
    text = DATA + "layer a: LRN(data)\nlayer r: ReLU(data) -> data\nlayer b: TanH(a)\nbypass layer a"
    assert "layer b would read blob data behind layer r, which changes it" in said(text)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("bypass layer sum", "only a layer that reads one blob and makes one can be bypassed: sum reads 2 and makes 1"),
        ("bypass layer data", "only a layer that reads one blob and makes one can be bypassed: data reads 0 and makes 1"),
        ("bypass layer lrm", "there is no layer lrm to bypass"),
    ],
)
def test_what_cannot_be_bypassed(statement, message):
    text = said(f"{DATA}layer lrn: LRN(data)\nlayer sum: Eltwise(data, lrn)\n{statement}")
    assert text.startswith(f"<text>:4:14: error: {message}\n")


def test_one_phase_alone():
    both = DATA + "layer a: ReLU(data)\ntrain layer n: LRN(a)\ntest layer n: Power(a)\nlayer b: TanH(n)\n"
    assert "layer b reads n in both phases, and would read another blob in each" in said(both + "bypass train layer n")
    for phase in ("train", "test"):
        assert reads(netdef.parse(both + "bypass layer n", phase=phase))["b"] == ["a"]
    for word in ("bypass", "remove"):
        text = said(f"{DATA}layer n: ReLU(data)\n{word} train layer n")
        assert (
            "layer n is not in the train phase alone\n" in text
            and f"write {word} layer n to leave it out of all its phases" in text
        )
    drop = DATA + "layer a: ReLU(data)\ntrain layer d: Dropout(a) -> a\nlayer b: TanH(a)\nbypass train layer d"
    assert "d" not in reads(netdef.parse(drop, phase="train"))


def test_the_word_is_not_reserved():
    net = netdef.parse("layer bypass: Input { shape { dim: [1, 2] } }\nlayer layer: ReLU(bypass) -> bypass")
    assert reads(net) == {"bypass": [], "layer": ["bypass"]}
    assert kind_of_text("bypass layer x") == NET
    with pytest.raises(NetdefError, match="bypass inside another layer"):
        netdef.parse(DATA + "layer c: Convolution(data) { bypass layer data }")
