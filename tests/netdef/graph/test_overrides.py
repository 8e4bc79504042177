"""Fields set from outside the file."""

import pytest

import netdef
from netdef.graph.overrides import settings_of

TEXT = """
layer data: Input { shape { dim: 2 dim: 4 dim: 8 dim: 8 } }
layer conv: Convolution(data) { num_output: 8 kernel_size: 3 weight_filler { type: "xavier" } param { lr_mult: 2 } }
layer pool.a: Pooling(conv) { pool: MAX kernel_size: 2 }
"""


def parse(overrides):
    return netdef.parse(TEXT, "t.net", overrides=overrides)


def said(overrides):
    with pytest.raises(netdef.NetdefError) as caught:
        parse(overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("conv.num_output", 12, lambda net: net.layer("conv").num_output == 12),
        ("conv.num_output", "12", lambda net: net.layer("conv").num_output == 12),
        ("conv.kernel_size", 5, lambda net: net.layer("conv").kernel == (5, 5)),
        ("conv.kernel_size", [1, 3], lambda net: net.layer("conv").kernel == (1, 3)),
        ("conv.bias_term", False, lambda net: len(net.parameters) == 1),
        ("conv.weight_filler.std", 0.5, lambda net: net.layer("conv").p.weight_filler.std == 0.5),
        ("conv.weight_filler.std", 0.5, lambda net: net.layer("conv").p.weight_filler.type == "xavier"),
        ("conv.weight_filler", {"type": "msra"}, lambda net: net.parameters[0].filler.type == "msra"),
        ("conv.param.0.lr_mult", 3, lambda net: net.parameters[0].lr_mult == 3),
        ("conv.param.1.lr_mult", 3, lambda net: [p.lr_mult for p in net.parameters] == [2, 3]),
        ("conv.loss_weight", 0.25, lambda net: net.layer("conv").loss_weights == (0.25,)),
        ("pool.a.pool", "AVE", lambda net: net.layer("pool.a").method == "AVE"),
        ("pool.a.pool", 1, lambda net: net.layer("pool.a").method == "AVE"),
        ("name", 'a "quoted" name', lambda net: net.name == 'a "quoted" name'),
        ("force_backward", True, lambda net: net.force_backward),
        ("state.phase", "TRAIN", lambda net: net.phase == "train"),
        ("data.input_param.shape.0.dim", [5, 4, 9, 9], lambda net: net.inputs[0].shape == (5, 4, 9, 9)),
        ("data.shape.0.dim", [5, 4, 9, 9], lambda net: net.inputs[0].shape == (5, 4, 9, 9)),
    ],
)
def test_fields_that_can_be_set(key, value, found):
    assert found(parse({key: value}))


def test_fields_that_cannot_be_set():
    text = said({"cnov.num_output": 1})
    assert "there is no layer called cnov\n    1 | cnov.num_output = 1\n      | ^^^^\n    did you mean conv?" in text
    text = said({"conv#2.num_output": 1})
    assert "there is no layer called conv#2\n" in text and "several layers of the file are called conv" in text
    assert "there is no field nmae of a network" in (text := said({"nmae": 1}))
    assert "did you mean name?" in text
    assert "unknown field 'num_outptu' of Convolution" in (text := said({"conv.num_outptu": 1}))
    assert "      |      ^^^^^^^^^^\n    did you mean num_output?" in text
    assert "<override>:1:18: error: num_output takes an integer, not many" in said({"conv.num_output": "many"})
    text = said({"conv.num_output": "many", "x.y": 1})
    assert "many" in text
    assert "no layer called x" in text


def test_an_error_caused_by_an_override_points_at_it():
    text = said({"conv.kernel_size": 11})
    assert text.startswith("<override>:1:20: error: Convolution conv: kernel 11 x 11 is larger than its input data, 8 x 8")
    assert "    1 | conv.kernel_size = 11\n      |                    ^^\n" in text


def test_layers_of_both_phases_are_set():
    text = "train layer d: Input { shape { dim: 2 } }\ntest layer d: Input { shape { dim: 3 } }"
    for phase in ("train", "test"):
        net = netdef.parse(text, phase=phase, overrides={"d.shape": {"dim": [7, 1]}})
        assert net.inputs[0].shape == (7, 1)


# As the command line gives them.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("conv.num_output=12", lambda net: net.layer("conv").num_output == 12),
        (" conv . num_output = 12 ", lambda net: net.layer("conv").num_output == 12),
        ("conv.kernel_size=[1, 3]", lambda net: net.layer("conv").kernel == (1, 3)),
        ("conv.weight_filler.type=msra", lambda net: net.parameters[0].filler.type == "msra"),
        ('conv.weight_filler.type="msra"', lambda net: net.parameters[0].filler.type == "msra"),
        ('conv.weight_filler={ type: "gaussian" std: 0.5 }', lambda net: net.parameters[0].filler.std == 0.5),
        ("conv.convolution_param.bias_term=false", lambda net: len(net.parameters) == 1),
        ("conv.param.1.lr_mult=3", lambda net: [p.lr_mult for p in net.parameters] == [2, 3]),
        ("conv.param.0={ lr_mult: 7 decay_mult: 0 }", lambda net: net.parameters[0].lr_mult == 7),
        ("conv.param=[{ lr_mult: 7 }, { lr_mult: 8 }]", lambda net: [p.lr_mult for p in net.parameters] == [7, 8]),
        ("pool.a.pool=AVE", lambda net: net.layer("pool.a").method == "AVE"),
        ("pool.a.bottom=data", lambda net: net.layer("pool.a").bottoms[0].name == "data"),
        ("name=a net = a name", lambda net: net.name == "a net = a name"),
    ],
)
def test_settings(text, found):
    assert found(parse(settings_of([text])))


def test_the_last_of_two_settings_holds():
    assert parse(settings_of(["conv.num_output=4", "conv.num_output=5"])).layer("conv").num_output == 5


@pytest.mark.parametrize(
    ("text", "message", "marked"),
    [
        ("conv.kernal_size=3", "unknown field 'kernal_size' of Convolution\n", "kernal_size"),
        ("conv.weight_filler.sdt=3", "unknown field 'sdt' of FillerParameter\n", "sdt"),
        ("conv.num_output=many", "num_output takes an integer, not many\n", "many"),
        ("conv.num_output=", "num_output has no value\n", "num_output"),
        ("conv.param[0].lr_mult=3", "unknown field 'param[0]' of Convolution\n", "param[0]"),
        ("conv.num_output.x=1", "num_output has no fields of its own\n", "num_output.x"),
        ("conv.param.5.lr_mult=1", "which param?\n", "5"),
        ("conv.param.one.lr_mult=1", "which param?\n", "one"),
        ("conv.num_output=3 4", "expected the name of a field, found '4'\n", "4"),
        ("pool.a.pool=SUM", "pool has no value SUM\n", "SUM"),
        ("conv.num_output=3 stride: 4", "a setting has one value\n", "stride: 4"),
        ("conv=3", "there is no field conv of a network\n", "conv"),
        ("conv.kernel_size=99", "Convolution conv: kernel 99 x 99 is larger than its input data, 8 x 8\n", "99"),
        ("conv.num_output", "'conv.num_output' sets nothing\n", "conv.num_output"),
        ("=3", "'=3' sets nothing\n", "=3"),
    ],
)
def test_errors_quote_the_setting(text, message, marked):
    with pytest.raises(netdef.NetdefError) as caught:
        parse(settings_of([text]))
    found = str(caught.value)
    at = text.index(marked)
    shown = f"--set:1:{at + 1}: error: {message}    1 | {text}\n      | {' ' * at}{'^' * len(marked)}"
    assert found == shown or found.startswith(f"{shown}\n"), found


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("conv.param[0].lr_mult=3", "write param.0"),
        ("conv.parma[0].lr_mult=3", "did you mean param?"),
        ("conv.num_output=", "write ...num_output=VALUE"),
        ("conv.param.1.lr_mult= ", "write ...lr_mult=VALUE"),
    ],
)
def test_hints_have_the_form_of_a_setting(text, hint):
    with pytest.raises(netdef.NetdefError) as caught:
        parse(settings_of([text]))
    assert [one.hint for one in caught.value.diagnostics] == [hint]


def test_a_field_of_the_type_precedes_one_of_all_layers():
    """As in the braces of a layer in one line."""
    text = TEXT + 'layer p: Python(conv) { module: "m" layer: "L" }'
    with pytest.raises(netdef.NetdefError, match=r"only m\.Other gives"):
        netdef.parse(text, overrides=settings_of(["p.layer=Other"]))
