"""The layers of a text, and which of them makes what."""

from pathlib import Path

import pytest

from netdef.lsp.document import Document
from netdef.lsp.outline import layers, linked, makers, statements, surrounding

CHAIN = """
train layer data: Input -> data { shape { dim: 1 } }
test layer data: DummyData
layer conv: Convolution(data)
layer relu: ReLU(conv) -> conv
layer drop: Dropout(conv) -> conv
layer fc: InnerProduct(conv)
layer "odd name": Eltwise(fc, "conv") -> 'sum'
layer sink: Silence(sum)
"""


def heads(text, read=lambda path: None, path=None):
    return [(one.head.name.text, one.head.type) for one in layers(Document(text, path), read)]


def made(text, name, reader):
    """The line, from 0, of each layer that makes a blob as the layer of the name `reader` reads it."""
    order = layers(Document(text), lambda path: None)
    number = next(i for i, one in enumerate(order) if one.head.name.text == reader)
    found = makers(name, order, number, order[number].head.phases)
    return [one.document.text.count("\n", 0, one.at + one.head.start) for one in found]


@pytest.mark.parametrize(
    ("name", "reader", "lines"),
    [
        ("data", "conv", [1, 2]),  # one in each phase
        ("conv", "relu", [3]),
        ("conv", "drop", [4]),
        ("conv", "fc", [5]),
        ("conv", "odd name", [5]),
        ("sum", "sink", [7]),
        ("fc", "conv", [6]),  # only further down
        ("nothing", "conv", []),
    ],
)
def test_the_last_version_above(name, reader, lines):
    assert made(CHAIN, name, reader) == lines


def test_a_layer_of_one_phase_reads_what_that_phase_has():
    text = CHAIN + "train layer a: ReLU(data)\nlayer b: ReLU(data) { include { phase: TEST } }\n"
    assert made(text, "data", "a") == [1]
    assert made(text, "data", "b") == [2]


def test_caffes_form():
    text = """
layer { name: "data" type: "Input" top: "data" include { phase: TRAIN } }
layer { name: "data" type: "Input" top: ["data", "label"] exclude { phase: TRAIN } }
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" }
"""
    found = list(statements(Document(text)))
    assert [(one.head.name.text, one.head.type, sorted(one.head.phases)) for one in found] == [
        ("data", "Input", [0]),
        ("data", "Input", [1]),
        ("conv", "CONVOLUTION", [0, 1]),
    ]
    assert [top.text for top in found[1].head.tops] == ["data", "label"]
    assert text[found[2].at + found[2].head.bottoms[0].start :].startswith('data" top')


def test_input_fields_make_blobs():
    assert heads('input: "data"\ninput_dim: 1\nlayer a: ReLU(data)\n') == [("data", "Input"), ("a", "ReLU")]


def test_layers_of_one_name_in_one_file_all_stay():
    assert heads("layer a: ReLU(x)\nlayer a: TanH(x)\n") == [("a", "ReLU"), ("a", "TanH")]


def test_only_what_does_not_parse_is_left_out():
    text = "layer a: ReLU(x)\nlayer b: ReLU(\nlayer c: ReLU(b) { = }\nlayer d: ReLU(c) {\nlayer e: ReLU(d)\n"
    assert [name for name, _ in heads(text)] in (["a", "b", "c", "d", "e"], ["a", "c", "d", "e"])


class Files(dict):
    """Texts by path, as an editor holds them."""

    def __init__(self, folder, **texts):
        for name, text in texts.items():
            path = folder / f"{name}.net"
            path.write_text("nothing of what is in the editor")
            self[path] = Document(text, path)

    def read(self, path):
        return self.get(path)


def test_included_layers_are_replaced_and_removed_in_order(tmp_path):
    files = Files(
        tmp_path,
        base='layer a: ReLU(x)\ninclude "deep.net"\ntrain layer c: ReLU(a)\ntest layer c: ReLU(a)\nlayer d: ReLU(c)\n',
        deep="layer b: ReLU(a)\ninclude 'base.net'\n",
    )
    text = 'include "base.net"\ninclude "base.net"\nlayer e: ReLU(d)\nlayer b: TanH(a)\nremove train layer c\nremove layer d\n'
    document = Document(text, tmp_path / "top.net")
    found = layers(document, files.read)
    assert [(one.head.name.text, one.head.type, one.document.name.rpartition("/")[2]) for one in found] == [
        ("a", "ReLU", "base.net"),
        ("b", "TanH", "top.net"),
        ("c", "ReLU", "base.net"),
        ("e", "ReLU", "top.net"),
    ]
    assert found[2].head.phases == {1}


def test_layers_without_a_name_replace_none(tmp_path):
    files = Files(tmp_path, base='layer { type: "ReLU" top: "x" }\nlayer { type: "TanH" top: "y" }\n')
    text = 'include "base.net"\nlayer { type: "Sigmoid" top: "z" }\n'
    assert [kind for _, kind in heads(text, files.read, tmp_path / "top.net")] == ["ReLU", "TanH", "Sigmoid"]


def test_a_replaced_layer_of_one_phase(tmp_path):
    files = Files(tmp_path, base="train layer a: ReLU(x)\ntest layer a: ReLU(x)\nlayer b: ReLU(a)\n")
    document = Document('include "base.net"\ntest layer a: TanH(x)\n', tmp_path / "top.net")
    assert [(one.head.type, sorted(one.head.phases)) for one in layers(document, files.read)] == [
        ("ReLU", [0]),
        ("TanH", [1]),
        ("ReLU", [0, 1]),
    ]
    document = Document('include "base.net"\nlayer a: TanH(x)\n', tmp_path / "top.net")
    assert [one.head.type for one in layers(document, files.read)] == ["TanH", "ReLU"]


def test_the_file_that_is_named(tmp_path):
    (tmp_path / "x.net").write_text("")
    document = Document("include 'x.net'\nlayer a: ReLU(b)\ninclude 'alexnet.net'\n", tmp_path / "y.net")
    assert linked(document, 10) == tmp_path / "x.net"
    assert linked(document, 20) is None
    found = linked(document, document.text.index("alex"))
    assert isinstance(found, Path) and found.name == "alexnet.net"
    solver = Document('base_lr: 1\nnet: "x.net"\n', tmp_path / "solver.txt")
    assert linked(solver, 18) == tmp_path / "x.net"


def test_the_statement_around_an_offset():
    document = Document("layer a: ReLU(b) { negative_slope: 1 }\n\nlayer c: ReLU(a)\n")
    assert [one and one.head.name.text for one in (surrounding(document, at) for at in (0, 30, 39, 45))] == ["a", "a", None, "c"]
