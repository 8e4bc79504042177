"""Fields set from outside the file."""

import pytest

import netdef

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
def test_what_can_be_set(key, value, found):
    assert found(parse({key: value}))


def test_what_cannot():
    assert "override cnov.num_output: there is no layer called cnov\n    did you mean conv?" in said({"cnov.num_output": 1})
    assert "there is no field nmae of a net\n    did you mean name?" in said({"nmae": 1})
    assert "num_outptu" in (text := said({"conv.num_outptu": 1}))
    assert "did you mean num_output?" in text
    assert "<override>" in said({"conv.num_output": "many"})
    text = said({"conv.num_output": "many", "x.y": 1})
    assert "many" in text
    assert "no layer called x" in text


def test_a_mistake_made_by_an_override_points_at_it():
    text = said({"conv.kernel_size": 11})
    assert text.startswith("<override>:1:1: error: Convolution conv: kernel 11 x 11 is larger than its input data, 8 x 8")
    assert "conv.kernel_size = 11" in text


def test_layers_of_both_phases_are_set():
    text = "train layer d: Input { shape { dim: 2 } }\ntest layer d: Input { shape { dim: 3 } }"
    for phase in ("train", "test"):
        net = netdef.parse(text, phase=phase, overrides={"d.shape": {"dim": [7, 1]}})
        assert net.inputs[0].shape == (7, 1)
