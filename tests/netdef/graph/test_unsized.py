"""Nets with layers of unknown types: all else is known; only a run needs more."""

import json

import pytest

import netdef
from netdef import NetdefError
from netdef.check import gradient_flow
from netdef.cli.main import run
from netdef.graph.shape import UNKNOWN
from netdef.language import read_text
from netdef.loading import Opened
from netdef.shapes import describe
from runtime.ops.registry import check_runnable

NET = """layer data: Input { shape { dim: [2, 3, 8, 8] } }
layer c: Convolution(data) { num_output: 4 kernel_size: 3 }
layer f: FooBar(c) { a: 1 }
layer r: ReLU(f) -> f
layer p: Pooling(f) { global_pooling: true }
layer n: LRN(p)
layer ip: InnerProduct(n) { num_output: 4 }
layer s: Softmax(ip)
layer side: Pooling(c) { kernel_size: 2 }
layer g: FooBar(side) { a: 1 }
"""


def test_shapes_are_unknown_behind_it_only():
    net = netdef.parse(NET)
    known = {layer.name: layer.is_sized for layer in net.layers}
    assert [name for name, sized in known.items() if sized] == ["data", "c", "side"]
    assert net.layer("s").tops[0].shape == UNKNOWN
    assert {kind: len(layers) for kind, layers in net.unknown_types.items()} == {"FooBar": 2}
    assert net.totals.parameters == 4 * 3 * 9 + 4
    assert net.totals.macs == net.layer("c").macs + net.layer("side").macs
    assert net.batch == 2


def test_what_is_not_known_is_no_number():
    facts = {layer["name"]: layer for layer in describe(netdef.parse(NET))["layers"]}
    assert facts["ip"]["parameters"] is None and facts["f"]["parameters"] is None
    assert facts["r"]["parameters"] == 0 and facts["r"]["macs_per_image"] is None
    assert facts["c"]["parameters"] == 112 and facts["ip"]["tops"][0]["shape"] is None


def test_a_layer_with_weights_behind_it_keeps_its_settings():
    net = netdef.parse(
        NET.replace("kernel_size: 3", "kernel_size: 3\n").replace("LRN(p)", "Convolution(p) { num_output: 1 kernel_size: 5 }")
    )
    conv = net.layer("n")
    assert (conv.kernel, conv.stride, conv.macs) == ((5, 5), (1, 1), 0)


@pytest.mark.parametrize("command", [["shapes"], ["check"], ["fmt"], ["draw", "-o", "x.svg"], ["draw", "-o", "x.html"]])
def test_commands_that_only_look(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.net").write_text(NET)
    assert run([*command, "x.net"]) == 0
    said = capsys.readouterr().out
    if command == ["shapes"]:
        assert "112 + ?" in said and "\nf      FooBar        ?" in said
    if command == ["check"]:
        assert "x.net:3:10: warning: unknown layer type 'FooBar': 2 layers (f, g) [ND228]" in said
        assert said.count("FooBar") == 2  # once, and in the line that is quoted


def test_diff_compares_what_is_unknown(tmp_path, capsys):
    (tmp_path / "a.net").write_text(NET)
    (tmp_path / "b.net").write_text(NET.replace("layer f: FooBar(c) { a: 1 }", "layer f: FooBar(c) { a: 2 }"))
    assert run(["diff", str(tmp_path / "a.net"), str(tmp_path / "a.net")]) == 0
    assert run(["diff", str(tmp_path / "a.net"), str(tmp_path / "b.net"), "--format", "json"]) == 1
    text = capsys.readouterr().out
    facts = json.loads(text[text.index("{") :])
    assert '"what": "a"' in json.dumps(facts) or '"a"' in json.dumps(facts)


def test_a_run_says_all_that_is_missing():
    text = NET.replace("global_pooling: true", "global_pooling: true").replace("layer side: Pooling(c) { kernel_size: 2 }", "")
    text = text.replace("FooBar(side)", "NewKind(c)")
    text += "layer { name: 'q' type: 'Silence' bottom: 's' spin: 3 engine: FAST }"
    with pytest.raises(NetdefError) as caught:
        check_runnable(netdef.parse(text).layers)
    said = str(caught.value)
    assert "no kernels for FooBar (1 layer), NewKind (1 layer) yet; nothing here reads spin of Silence (1 layer)" in said
    assert "ReLU" not in said.splitlines()[0] and "engine" not in said.splitlines()[0]


def test_a_size_that_only_data_have_is_unknown_where_that_is_allowed():
    text = 'layer d: HDF5Data -> x, y { source: "list.txt" batch_size: 4 }\nlayer ip: InnerProduct(x) { num_output: 2 }'
    opened = Opened(lambda: read_text(text, "x.net", "NetParameter"), "x.net")
    net = opened.net(partial=True)
    assert [layer.is_sized for layer in net.layers] == [False, False]
    assert "only its HDF5 files give the shapes" in net.unsized[0].message
    with pytest.raises(NetdefError, match="only its HDF5 files"):
        opened.net()


def test_a_rule_that_fails_may_be_another_in_the_fork():
    text = "layer d: Input { shape { dim: [1, 3, 8, 8] } }\n"
    text += 'layer { name: "p" type: "Pooling" bottom: "d" top: "p" pooling_param { %s } }'
    assert not netdef.parse(text % "kernel_3d: 2").layer("p").is_sized
    with pytest.raises(NetdefError, match="kernel"):
        netdef.parse(text % "engine: MKL2017")


def test_weights_that_are_unknown_may_learn():
    train = NET + "layer label: Input { shape { dim: 2 } }\nlayer loss: SoftmaxWithLoss(ip, label)"
    net = netdef.parse(train, phase="train")
    assert net.layer("loss") in gradient_flow.learning(net)


def test_a_net_of_the_train_phase_only_is_built_in_it(tmp_path, capsys):
    text = "train layer data: Input { shape { dim: [1, 3] } }\ntrain layer r: NewKind(data)\n"
    text += 'layer { name: "q" type: "Silence" bottom: "r" nmae: 3 }'
    (tmp_path / "x.net").write_text(text)
    assert run(["shapes", str(tmp_path / "x.net")]) == 2
    assert "which no layer makes" not in capsys.readouterr().err
    (tmp_path / "x.net").write_text(text.replace("nmae: 3", ""))
    assert run(["shapes", str(tmp_path / "x.net")]) == 0
    assert "train phase" in capsys.readouterr().out
