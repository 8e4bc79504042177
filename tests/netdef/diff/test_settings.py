"""What of a layer is compared: what is meant, not how it is written."""

import pytest

import netdef
from netdef.diff import compare_nets
from tests.netdef.diff.nets import CONV, changes, net, parse


@pytest.mark.parametrize(
    "conv",
    [
        CONV,
        CONV + " stride: 1",  # what is so by default may be said
        CONV + " group: 1 bias_term: true weight_filler { }",
        CONV + " include { phase: TEST }",
        CONV + " param { lr_mult: 1 } param { }",
        CONV + " param { share_mode: STRICT }",
        "pad: 1 num_output: 8 # a comment\n kernel_size: 3",
        "num_output: 8 kernel_h: 3 kernel_w: 3 pad: 1",
        "num_output: 8 kernel_size: [3, 3] pad_h: 1 pad_w: 1",
        "convolution_param { num_output: 8 kernel_size: 3 pad: 1 }",
    ],
)
def test_another_notation_is_no_difference(conv):
    assert not compare_nets(net(), net(conv))


def test_a_field_whose_absence_means_something_else():
    texts = [f"layer b: BatchNorm(data) {{ {text} }}" for text in ("", "use_global_stats: false")]
    assert changes(*map(parse, texts)) == {"b": [("use_global_stats", "none", "false")]}


SCALE, PRELU = "Scale(data) { %s }", "PReLU(data) { %s }"


@pytest.mark.parametrize(
    ("layer", "one", "other"),
    [
        (SCALE, "", "filler { value: 1 }"),
        (SCALE, "", 'filler { type: "constant" value: 1 }'),
        (SCALE, "bias_term: true", "bias_term: true bias_filler { value: 0 }"),
        (SCALE, "filler { }", "filler { value: 0 }"),
        (PRELU, "", "filler { value: 0.25 }"),
        ("Bias(data) { %s }", "", "filler { value: 0 }"),
    ],
)
def test_what_arrays_start_with_without_a_filler(layer, one, other):
    assert not compare_nets(parse(f"layer b: {layer % one}"), parse(f"layer b: {layer % other}"))


@pytest.mark.parametrize(
    ("layer", "one", "other", "found"),
    [
        (SCALE, "filler { value: 2 }", "", [("filler.value", "2", "1 (default)")]),
        (SCALE, "", "filler { }", [("filler.value", "1 (default)", "0")]),
        (SCALE, "filler { value: 1 }", "filler { value: 0 }", [("filler.value", "1 (default)", "0")]),
        (SCALE, "bias_term: true bias_filler { value: 1 }", "bias_term: true", [("bias_filler.value", "1", "0 (default)")]),
        (PRELU, "", "filler { value: 1 }", [("filler.value", "0.25 (default)", "1")]),
        (
            PRELU,
            "",
            'filler { type: "gaussian" std: 2 }',
            [("filler.type", '"constant" (default)', '"gaussian"'), ("filler.std", "1 (default)", "2")],
        ),
        (SCALE, "filler { }", 'filler { type: "msra" }', [("filler.type", '"constant" (default)', '"msra"')]),
        ("Bias(data) { %s }", "filler { value: 1 }", "", [("filler.value", "1", "0 (default)")]),
    ],
)
def test_other_values_to_start_with(layer, one, other, found):
    difference = changes(parse(f"layer b: {layer % one}"), parse(f"layer b: {layer % other}"))
    assert difference == {"b": found}


def test_fields_shapes_and_costs():
    assert changes(net(), net(CONV + " stride: 2 group: 2 param { lr_mult: 2 } weight_filler { type: 'xavier' }")) == {
        "conv": [
            ("stride", "1", "2"),
            ("group", "1 (default)", "2"),
            ("param[0].lr_mult", "1 (default)", "2"),
            ("weight_filler.type", '"constant" (default)', '"xavier"'),
            ("output", "8 x 8 x 8", "2 x 4 x 4 x 4"),
            ("weights", "8 x 4 x 3 x 3", "8 x 2 x 3 x 3"),
            ("parameters", "296", "152"),
            ("MACs/image", "18.4 k", "2.30 k"),
            ("activations", "4.00 KiB", "1.00 KiB"),
        ],
        "relu": [("output", "8 x 8 x 8", "2 x 4 x 4 x 4")],
        "fc": [
            ("weights", "5 x 512", "5 x 128"),
            ("parameters", "2,565", "645"),
            ("MACs/image", "2.56 k", "640"),
        ],
    }


def test_windows_are_compared_by_size():
    found = changes(net(), net("num_output: 8 kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1"))["conv"]
    assert found[:3] == [("kernel", "3", "1 x 3"), ("pad", "1", "0 x 1"), ("weights", "8 x 4 x 3 x 3", "8 x 4 x 1 x 3")]


def test_enums_by_name():
    pools = [net(more=f"layer p: Pooling(conv) {{ pool: {pool} kernel_size: 2 }}") for pool in ("MAX", "AVE")]
    assert changes(*pools) == {"p": [("pool", "MAX (default)", "AVE")]}


def test_another_type():
    found = changes(net(more="layer s: TanH(conv)"), net(more="layer s: Power(conv) { power: 2 }"))
    assert found == {"s": [("type", "TanH", "Power"), ("power", "none", "2")]}


def test_a_source_of_another_type():
    """Input has no batch_size, and so no default of it."""
    a = netdef.parse("layer d: MemoryData -> d, l { batch_size: 2 channels: 1 height: 4 width: 4 transform_param { scale: 2 } }")
    b = netdef.parse("layer d: Input -> d, l { shape { dim: [2, 1, 4, 4] } shape { dim: 2 } }")
    found = changes(a, b)["d"]
    assert ("batch_size", "2", "none") in found
    assert ("shape[1].dim", "none", "2") in found
    assert ("transform_param.scale", "2", "1 (default)") in found


def test_another_batch_is_a_difference_of_the_source_only():
    batches = [netdef.load("alexnet", batch_size=n) for n in (2, 3)]
    assert changes(*batches) == {"data": [("batch_size", "2", "3")]}


def test_a_list_of_values():
    shapes = [f"layer r: Reshape(data) {{ shape {{ dim: {dim} }} }}" for dim in ("[2, 1024]", "[2, 4, 256]")]
    assert changes(*map(parse, shapes))["r"][0] == ("shape.dim", "2, 1024", "2, 4, 256")


@pytest.mark.parametrize(
    "conv",
    [
        CONV + " weight_filler { std: 2 }",
        CONV + " weight_filler { mean: 1 sparse: 3 }",
        CONV + " engine: CAFFE",
        CONV + " pooling_param { kernel_size: 7 }",
        CONV + " transform_param { scale: 2 }",
    ],
)
def test_fields_without_effect_are_no_difference(conv):
    assert not compare_nets(net(), net(conv))


def test_fields_of_a_filler_that_it_reads():
    kinds = [CONV + f' weight_filler {{ type: "{kind}" std: 0.5 value: 3 }}' for kind in ("xavier", "gaussian")]
    found = {what: pair for what, *pair in changes(*map(net, kinds))["conv"]}
    assert "weight_filler.value" not in found and "weight_filler.std" in found
