"""Nets that start from another net's file."""

import pytest

import netdef
from netdef.language import NetdefError, read_file, read_text
from netdef.language.inherit import phases, runnable
from netdef.schema import LayerParameter

BASE = """name: "Base"
defaults Convolution { kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }
train layer data: Input -> data, label { shape { dim: [8, 3, 9, 9] } shape { dim: 8 } }
test layer data: Input -> data, label { shape { dim: [2, 3, 9, 9] } shape { dim: 2 } }
layer conv1: Convolution(data) { num_output: 4 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1)
layer conv2: Convolution(norm1) { num_output: 6 }
layer fc: InnerProduct(conv2) { num_output: 5 }
layer loss: SoftmaxWithLoss(fc, label)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.net").write_text(BASE)

    def write(text, name="x.net"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        return name

    return write


def names(name, phase="test"):
    return [layer.name for layer in netdef.load(name, phase).layers]


def said(name):
    with pytest.raises(NetdefError) as caught:
        netdef.load(name)
    return str(caught.value)


def test_the_same_net(folder):
    mine = read_file(folder('include "base.net"'), "NetParameter").message
    assert mine == read_file("base.net", "NetParameter").message


def test_a_layer_replaces_the_one_of_its_name(folder):
    net = netdef.load(folder('include "base.net"\nlayer conv1: Convolution(data) { num_output: 7 kernel_size: 1 pad: 0 }'))
    assert [layer.name for layer in net.layers] == ["data", "conv1", "relu1", "norm1", "conv2", "fc", "loss"]
    conv1 = net.layer("conv1")
    assert (conv1.num_output, conv1.kernel) == (7, (1, 1))
    assert conv1.p.weight_filler.type == "xavier"  # defaults of the included file hold below it
    assert net.layer("conv2").bottoms[0].producer.bottoms[0].producer.name == "relu1"


def test_fields_of_the_net_are_overridden(folder):
    text = 'include "base.net"'
    assert netdef.load(folder(f'{text} name: "Mine"')).name == "Mine"
    assert netdef.load(folder(f'name: "Mine" {text}')).name == "Mine"
    assert netdef.load(folder(text)).name == "Base"
    assert "name is given twice" in said(folder(f'{text} name: "a" name: "b"'))


def test_layers_are_removed(folder):
    conv2 = "layer conv2: Convolution(conv1) { num_output: 6 }"
    name = folder(f'include "base.net"\nremove layer norm1\nremove train layer data\n{conv2}')
    assert names(name) == ["data", "conv1", "relu1", "conv2", "fc", "loss"]
    data = [layer for layer in read_file(name, "NetParameter").message.layer if layer.name == "data"]
    assert [layer.input_param.shape[0].dim[0] for layer in data] == [2]


def test_readers_of_a_removed_layer_are_reported(folder):
    text = said(folder('include "base.net"\nremove layer norm1'))
    assert text == (
        "base.net:8:26: error: layer conv2 reads blob norm1, which no layer makes\n"
        "    8 | layer conv2: Convolution(norm1) { num_output: 6 }\n"
        "      |                          ^^^^^\n"
        "    included from x.net:1:9\n"
        "    layer norm1, which made it, is removed: bypass layer norm1 lets its readers read conv1"
    )


def test_a_new_layer_is_put_before_its_readers(folder):
    name = folder(
        'include "base.net"\nlayer extra: Convolution(conv2) { num_output: 9 }\nlayer relu: ReLU(extra) -> extra\n'
        "layer fc: InnerProduct(extra) { num_output: 5 }"
    )
    assert names(name) == ["data", "conv1", "relu1", "norm1", "conv2", "extra", "relu", "fc", "loss"]
    assert netdef.load(name).layer("fc").bottoms[0].producer.name == "relu"


def test_swapped_layers(folder):
    name = folder(
        'include "base.net"\nlayer norm1: LRN(conv2)\nlayer conv2: Convolution(conv1) { num_output: 6 }\n'
        "layer fc: InnerProduct(norm1) { num_output: 5 }"
    )
    assert names(name) == ["data", "conv1", "relu1", "conv2", "norm1", "fc", "loss"]


def test_layers_replace_those_of_their_phase(folder):
    name = folder('include "base.net"\ntrain layer data: Input -> data, label { shape { dim: [64, 3, 9, 9] } shape { dim: 64 } }')
    assert [netdef.load(name, phase).inputs[0].shape[0] for phase in ("train", "test")] == [64, 2]
    name = folder('include "base.net"\nlayer data: Input -> data, label { shape { dim: [5, 3, 9, 9] } shape { dim: 5 } }')
    assert [netdef.load(name, phase).inputs[0].shape[0] for phase in ("train", "test")] == [5, 5]


def test_two_of_a_name_in_one_file_are_an_error(folder):
    layers = "layer conv1: Convolution(data) { num_output: 1 }\nlayer conv1: Convolution(data) -> c { num_output: 2 }"
    assert "two layers are named conv1" in said(folder(f'include "base.net"\n{layers}'))


def test_several_files_and_several_levels(folder):
    folder('include "base.net"\nlayer fc: InnerProduct(conv2) { num_output: 50 }', "middle.net")
    folder('test layer top1: Accuracy(fc, label)\nname: "Head"', "head.net")
    includes = """include "middle.net" include "head.net"; include 'base.net'"""
    name = folder(f"{includes}\nlayer conv2: Convolution(norm1) {{ num_output: 60 }}")
    net = netdef.load(name)
    assert [layer.name for layer in net.layers] == ["data", "conv1", "relu1", "norm1", "conv2", "fc", "loss", "top1"]
    assert (net.layer("fc").num_output, net.layer("conv2").num_output) == (50, 60)


def test_included_files_are_searched_beside_the_file_then_among_models(folder, tmp_path):
    folder(BASE.replace("num_output: 5", "num_output: 77"), "sub/base.net")
    folder('include "base.net"', "sub/y.net")
    assert netdef.load("sub/y.net").layer("fc").num_output == 77
    assert netdef.load(folder('include "sub/y.net"')).layer("fc").num_output == 77
    for model in ("alexnet.net", "alexnet"):
        assert netdef.load(folder(f'include "{model}"')).totals == netdef.load("alexnet").totals


def test_a_file_is_included_once(folder):
    """Two files that rest on a third one; and no pile of includes that doubles at each level."""
    folder("defaults LRN { k: 2 }", "defaults.net")
    for level in range(40):
        folder(f'include "level{level + 1}.net" include "level{level + 1}.net"', f"level{level}.net")
    folder('include "defaults.net"\ninclude "base.net"\nlayer norm1: LRN(conv1)', "level40.net")
    assert netdef.load("level0.net").layer("norm1").p.k == 2


# Mistakes.


def test_no_such_file(folder):
    assert said(folder('layer a: ReLU(b)\ninclude "bse.net"')).splitlines()[0] == "x.net:2:9: error: there is no file bse.net"


@pytest.mark.parametrize("name", ["", "\\0", "/", ".", "x" * 5000, "/dev/null", "~", "a\\nb"])
def test_invalid_file_names(folder, name):
    assert "there is no file" in said(folder(f'include "{name}"'))


def test_files_that_include_themselves(folder):
    assert said(folder('include "x.net"')) == (
        "x.net:1:9: error: x.net includes itself: x.net -> x.net\n"
        '    1 | include "x.net"\n'
        "      |         ^^^^^^^\n"
        "    break the cycle"
    )
    folder('include "b.net"', "a.net")
    folder('# b\ninclude "c.net"', "b.net")
    folder('include "a.net"', "c.net")
    text = said("a.net")
    assert text.startswith("c.net:1:9: error: a.net includes itself: a.net -> b.net -> c.net -> a.net\n")
    assert "    included from b.net:2:9\n    included from a.net:1:9\n" in text


def test_errors_in_an_included_file_show_the_chain_of_includes(folder):
    folder(BASE.replace("num_output: 4", "num_outptu: 4"), "base.net")
    folder('\ninclude "base.net"', "middle.net")
    text = said(folder('include "middle.net"\nlayer z: RLU(fc)'))
    assert text.startswith(
        "base.net:5:34: error: unknown field 'num_outptu' of Convolution\n"
        "    5 | layer conv1: Convolution(data) { num_outptu: 4 }\n"
        "      |                                  ^^^^^^^^^^\n"
        "    included from middle.net:2:9\n"
        "    included from x.net:1:9\n"
        "    did you mean num_output?\n"
    )
    assert "x.net:2:10: error: unknown layer type 'RLU'" in text


def test_syntax_errors_in_an_included_file(folder):
    folder(BASE.replace("layer relu1:", "layer relu1"), "base.net")
    text = said(folder('include "base.net"'))
    assert "base.net:6:" in text and "included from x.net:1:9" in text


def test_errors_of_several_files_in_one_run(folder):
    folder(BASE.replace("LRN", "LNR"), "base.net")
    text = said(folder('include "base.net"\nlayer fc: InnerProduct(conv2) { num_output: "five" }'))
    assert "base.net:7:" in text and "x.net:2:" in text


def test_a_layer_replaces_no_more_than_one(folder):
    base = BASE + "layer act: ReLU(norm1)\nlayer act: TanH(norm1) -> other\n"
    folder(base, "base.net")
    variant = 'include "base.net"\nlayer act: Sigmoid(norm1)\n'
    text = said(folder(variant))
    assert text.startswith("x.net:2:7: error: layer act would replace 2 layers of that name\n")
    assert text.endswith("give each its own name there, or remove all of them with remove layer")
    assert names(folder('include "base.net"\nremove layer act\nlayer act: Sigmoid(norm1)\n'))[-1] == "act"


def test_layers_without_a_name_replace_none(folder):
    folder(BASE + "layer { type: 'ReLU' bottom: 'fc' top: 'x' } layer { type: 'TanH' bottom: 'x' top: 'y' }", "base.net")
    net = netdef.load(folder('include "base.net"\nlayer { type: "Sigmoid" bottom: "y" top: "z" }'))
    assert [layer.type for layer in net.layers[-3:]] == ["ReLU", "TanH", "Sigmoid"]


@pytest.mark.parametrize(
    ("layers", "together"),
    [
        ("layer act: ReLU(norm1) test layer act: TanH(norm1) -> other", True),
        ("train layer act: ReLU(norm1) test layer act: TanH(norm1)", False),
        ("layer act: ReLU(norm1) { include { stage: 'x' } } layer act: TanH(norm1) { exclude { stage: 'x' } }", False),
    ],
)
def test_a_layer_replaces_the_versions_of_one(folder, layers, together):
    folder(BASE + layers, "base.net")
    name = folder('include "base.net"\nlayer act: Sigmoid(norm1)\n')
    if together:
        assert "layer act would replace 2 layers of that name" in said(name)
    else:
        assert names(name).count("act") == 1


def test_missing_layers_cannot_be_removed(folder):
    text = said(folder('include "base.net"\nremove layer nrom1'))
    assert text.startswith("x.net:2:14: error: there is no layer nrom1 to remove\n")
    assert text.endswith("did you mean norm1?")
    text = said(folder('include "base.net"\nremove layer "norm1#2"'))
    assert "there is no layer norm1#2 to remove" in text and "several layers of the file are called norm1" in text
    assert "no layer conv1 to remove" in said(folder('remove layer conv1\ninclude "base.net"'))
    assert "no layer conv1 to remove" in said(folder('include "base.net"\nremove layer conv1 remove layer conv1'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("include base.net", "the file to include must be in quotes\n"),
        ("include", "include which file?\n"),
        ("remove norm1", "expected layer after remove, found 'norm1'\n"),
        ("remove layer", "remove which layer?\n"),
        ("layer r: ReLU(fc) { include 'base.net' }", "include inside another layer\n"),
        ("layer { include 'base.net' }", "include inside a layer\n"),
        ("layer r: ReLU(fc) { remove layer fc }", "remove inside another layer\n"),
    ],
)
def test_invalid_syntax_of_include_and_remove(folder, text, message):
    assert f"error: {message}" in said(folder(f'include "base.net"\n{text}')) + "\n"


def test_include_in_a_solver_is_rejected(folder):
    with pytest.raises(NetdefError, match="include in a solver file"):
        read_text('include "base.net"\nbase_lr: 1', "solver.txt", "SolverParameter")
    solver = read_text('net_param { include "base.net" remove layer norm1 } base_lr: 1', "solver.txt", "SolverParameter")
    assert "norm1" not in [layer.name for layer in solver.message.net_param.layer]


def test_binary_files_and_directories(folder, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\0\1\2\3")
    assert "x.bin is binary, not text" in said(folder('include "x.bin"'))
    (tmp_path / "y.net").write_bytes("é".encode("latin-1"))
    assert "y.net:1:1: error: byte 0xe9 is not UTF-8" in said(folder('include "y.net"'))


def test_words_are_not_reserved():
    made = read_text(
        "layer include: ReLU(remove) -> include { include { phase: TEST } }\n"
        "layer { name: 'remove' type: 'ReLU' include { phase: TRAIN } }",
        "x.net",
        "NetParameter",
    ).message
    assert [layer.name for layer in made.layer] == ["include", "remove"]


# The order of layers.


def layer(text):
    head, _, tops = text.partition(" -> ")
    name, _, bottoms = head.partition(":")
    bottom = [word for word in bottoms.split(",") if word]
    return LayerParameter(name=name, bottom=bottom, top=tops.split(",") if tops else [name])


@pytest.mark.parametrize(
    ("layers", "order"),
    [
        (["a:", "b:a", "c:b"], "abc"),
        (["a:", "c:b", "b:a"], "abc"),
        (["c:b", "b:a", "a:"], "abc"),
        (["a:", "x:y", "z:a", "y:a"], "azyx"),
        (["a:", "r:a -> a", "b:a", "c:a"], "arbc"),  # what works in place goes before later readers
        (["a:", "b:a", "r:a -> a", "c:a"], "abrc"),  # and after earlier ones
        (["x:n", "a:", "n:a", "r:n -> n"], "anrx"),  # a reader that had to wait sees what becomes of it
        (["x:n", "r:n -> n", "a:", "n:a"], "anrx"),
        (["a: -> d", "b: -> d", "c:d"], "abc"),  # one in each phase
        (["a:b", "b:a"], "ab"),  # a cycle is reported elsewhere
        (["a:nothing", "b:a"], "ab"),
        (["a:a"], "a"),
    ],
)
def test_an_included_net_runs(layers, order):
    made = [layer(text) for text in layers]
    assert "".join(made[index].name for index in runnable(made)) == order


def test_phases_of_rules():
    made = LayerParameter()
    assert phases(made) == {0, 1}
    made.exclude.add(phase=0)
    assert phases(made) == {1}
    made.ClearField("exclude")
    made.include.add(phase=0, min_level=3)
    assert phases(made) == {0}
    made.include.add(stage=["x"])
    assert phases(made) == {0, 1}
