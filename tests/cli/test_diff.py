"""`netdef diff`: what it finds, how it reads, how it exits."""

import pytest

import netdef
from netdef.cli import run
from netdef.diff import compare, match, render

NET = """
layer data: Input {{ shape {{ dim: 2 dim: 4 dim: 8 dim: 8 }} }}
layer conv: Convolution(data) {{ {conv} }}
layer relu: ReLU(conv) -> conv
{more}
layer fc: InnerProduct(conv) {{ num_output: 5 }}
"""
CONV = "num_output: 8 kernel_size: 3 pad: 1"


def net(conv=CONV, more="", name="a.net"):
    return netdef.parse(NET.format(conv=conv, more=more), name)


def changes(a, b):
    """{layer: [(what, before, after)]} of the layers that both have."""
    found = compare(a, b).layers
    return {c.after.name: [(x.what, x.before, x.after) for x in c.changes] for c in found if c.before and c.after}


def test_nothing(capsys):
    assert not compare(net(), net())
    assert run(["diff", "alexnet", "alexnet"]) == 0
    assert "no differences in phase test" in capsys.readouterr().out


@pytest.mark.parametrize(
    "conv",
    [
        CONV + " stride: 1",  # what is so by default may be said
        CONV + " group: 1 bias_term: true weight_filler { }",
        CONV + " include { phase: TEST }",
        CONV + " param { lr_mult: 1 } param { }",
        "num_output: 8 kernel_h: 3 kernel_w: 3 pad: 1",
        "num_output: 8 kernel_size: [3, 3] pad_h: 1 pad_w: 1",
    ],
)
def test_another_spelling_is_no_difference(conv):
    assert not compare(net(), net(conv))


def test_fields_shapes_and_costs():
    assert changes(net(), net(CONV + " stride: 2 group: 2 param { lr_mult: 2 } weight_filler { type: 'xavier' }")) == {
        "conv": [
            ("stride", "1", "2"),
            ("param[0].lr_mult", "1 (default)", "2"),
            ("group", "1 (default)", "2"),
            ("weight_filler.type", '"constant" (default)', '"xavier"'),
            ("output", "8 x 8 x 8", "2 x 4 x 4 x 4"),
            ("weights", "8 x 4 x 3 x 3 + 8", "8 x 2 x 3 x 3 + 8"),
            ("parameters", "296", "152"),
            ("MACs/image", "18.4 k", "2.30 k"),
        ],
        "relu": [("output", "8 x 8 x 8", "2 x 4 x 4 x 4")],
        "fc": [
            ("weights", "5 x 512 + 5", "5 x 128 + 5"),
            ("parameters", "2,565", "645"),
            ("MACs/image", "2.56 k", "640"),
        ],
    }


def test_windows_by_what_they_are():
    assert changes(net(), net("num_output: 8 kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1")) == {
        "conv": [
            ("kernel", "3", "1 x 3"),
            ("pad", "1", "0 x 1"),
            ("weights", "8 x 4 x 3 x 3 + 8", "8 x 4 x 1 x 3 + 8"),
            ("parameters", "296", "104"),
            ("MACs/image", "18.4 k", "6.14 k"),
        ]
    }


def test_enums_by_name():
    pools = [net(more=f"layer p: Pooling(conv) {{ pool: {pool} kernel_size: 2 }}") for pool in ("MAX", "AVE")]
    assert changes(*pools) == {"p": [("pool", "MAX", "AVE")]}


def test_a_renamed_layer_is_matched_by_its_place():
    a, b = net(more="layer old: Sigmoid(conv)"), net(more="layer new: Sigmoid(conv)")
    assert changes(a, b) == {"new": [("name", "old", "new")]}
    assert [(x.name, y.name) for x, y in match(a, b)] == [
        ("data", "data"), ("conv", "conv"), ("relu", "relu"), ("old", "new"), ("fc", "fc"),
    ]  # fmt: skip


def test_whoever_reads_a_renamed_layer_has_not_changed():
    text = "layer data: Input {{ shape {{ dim: 2 dim: 4 }} }}\nlayer {0}: Sigmoid(data)\nlayer t: TanH({0})"
    found = changes(netdef.parse(text.format("old")), netdef.parse(text.format("new")))
    assert found == {"new": [("name", "old", "new")]}


def test_layers_that_come_and_go():
    difference = compare(net(more="layer n: LRN(conv)"), net(more="layer p: Pooling(conv) { kernel_size: 2 }"))
    text = render(difference)
    assert "\n- n: LRN(conv)\n" in text
    assert "\n+ p: Pooling(conv)\n" in text


def test_a_bottom_that_moves():
    a = net(more="layer s: TanH(conv)\nlayer e: ReLU(conv)")
    b = net(more="layer s: TanH(conv)\nlayer e: ReLU(s)")
    assert changes(a, b) == {"e": [("bottom", "conv", "s")]}


def test_another_type():
    found = changes(net(more="layer s: TanH(conv)"), net(more="layer s: Power(conv) { power: 2 }"))
    assert found == {"s": [("type", "TanH", "Power"), ("power", "1 (default)", "2")]}


def test_another_batch_is_the_sources_difference_alone():
    batches = [netdef.load("alexnet", batch_size=n) for n in (2, 3)]
    assert changes(*batches) == {"data": [("batch_size", "2", "3")]}


def test_alexnet_and_its_variant(capsys):
    assert run(["diff", "alexnet", "bvlc_alexnet"]) == 1
    out = capsys.readouterr().out
    for line in (
        "  norm1: LRN\n    alpha  0.0005 -> 0.0001\n    k      2 -> 1 (default)\n    group  2 -> 1 (default)\n",
        "  conv2: Convolution\n    bias_filler.value  1 -> 0.1\n",
        "  fc6: InnerProduct\n    weight_filler.std  0.01 -> 0.005\n    bias_filler.value  1 -> 0.1\n",
        "  totals: the same",
    ):
        assert line in out
    assert run(["diff", "alexnet", "caffenet", "--phase", "train"]) == 1
    assert "    parameters   60,965,224 -> 62,378,344\n" in capsys.readouterr().out


def test_trouble(capsys):
    assert run(["diff", "alexnet", "nonesuch"]) == 2
    assert "nonesuch" in capsys.readouterr().err
