"""What the schema does not know is kept: in texts, in binary files, and from one to the other."""

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet

from netdef import NetdefError, schema
from netdef.cli.main import run
from netdef.convert import convert
from netdef.fmt import formatted
from netdef.language import print_message, read_file, read_text
from netdef.language.diagnostics import Remark
from netdef.language.kinds import NET, kind_of_text
from netdef.language.spelling import misspelt
from netdef.schema import LAYER_TYPES

FORK = """name: "fork"
default_forward_type: FLOAT16
layer { name: "c" type: "Convolution" bottom: "data" top: "c" forward_type: FLOAT16
  convolution_param { num_output: 4 kernel_size: 3 engine: MKLDNN weight_filler { type: "xavier" zap: 1 } rank: "x" }
  param { lr_mult: 1 } param { lr_mult: 2 speed: 2 } }
layer { name: "f" type: "FooBar" bottom: "c" top: "f" foobar_param { a: 1 c { d: 'x' } e: [1, 2] a: 3 } }
"""
KEPT = {
    ("", "forward_type", "forward_type: FLOAT16"),
    ("convolution_param", "engine", "engine: MKLDNN"),
    ("convolution_param", "rank", 'rank: "x"'),
    ("convolution_param.weight_filler", "zap", "zap: 1"),
    ("param[1]", "speed", "speed: 2"),
}


def net(text):
    return read_text(text, "x.prototxt", "NetParameter").message


def test_unknown_fields_are_kept_where_they_stand():
    message = net(FORK)
    assert {(one.at, one.name, one.text) for one in message.layer[0].kept} == KEPT
    assert [one.text for one in message.layer[1].kept] == ['foobar_param { a: 1 a: 3 c { d: "x" } e: 1 e: 2 }']
    assert [one.text for one in message.kept] == ["default_forward_type: FLOAT16"]
    assert message.layer[1].type == "FooBar"


@pytest.mark.parametrize("form", ["net", "prototxt"])
def test_fmt_carries_them_through(form):
    text = formatted(FORK, "x.prototxt", form)
    assert net(text) == net(FORK)
    assert formatted(text, f"x.{form}", form) == text
    assert formatted(text, f"x.{form}", "prototxt") == formatted(FORK, "x.prototxt", "prototxt")


def test_convert_carries_them_through_a_binary_file(tmp_path):
    (tmp_path / "a.prototxt").write_text(FORK)
    convert(str(tmp_path / "a.prototxt"), str(tmp_path / "b.caffemodel"))
    convert(str(tmp_path / "b.caffemodel"), str(tmp_path / "c.prototxt"))
    assert net((tmp_path / "c.prototxt").read_text()) == net(FORK)
    assert "kept" not in (tmp_path / "c.prototxt").read_text()


def test_unknown_fields_of_a_binary_file_come_back(tmp_path):
    layer = schema.LayerParameter(name="r", type="ReLU")
    layer.relu_param.negative_slope = 0.5
    layer.relu_param.MergeFromString(b"\xa2\x06\x03abc" + b"\xa8\x06\x96\x01")  # fields 100 and 101
    layer.MergeFromString(b"\xc8\x3e\x07" + b"\xd5\x3e\x00\x00\x80\x3f")  # fields 1001 and 1002, which are no messages
    written = schema.NetParameter(layer=[layer]).SerializeToString()
    (tmp_path / "a.caffemodel").write_bytes(written)
    convert(str(tmp_path / "a.caffemodel"), str(tmp_path / "b.caffemodel"))
    convert(str(tmp_path / "a.caffemodel"), str(tmp_path / "c.prototxt"))
    convert(str(tmp_path / "c.prototxt"), str(tmp_path / "d.caffemodel"))
    for name in ("b.caffemodel", "d.caffemodel"):
        (found,) = read_file(tmp_path / name, "NetParameter").message.layer
        assert [(one.field_number, one.data) for one in fields(found.relu_param)] == [(100, b"abc"), (101, 150)]
        assert [(one.field_number, one.data) for one in fields(found)] == [(1001, 7), (1002, 0x3F800000)]
        assert len(found.SerializeToString()) == len(layer.SerializeToString())


@pytest.mark.parametrize("oldest", [False, True], ids=["V1", "V0"])
def test_unknown_fields_of_older_formats_come_through(oldest, tmp_path, capsys):
    """Those of the layer, under their number where that is no field's today, and those of its settings."""
    for name, value in (("a", b"\x07"), ("b", b"\x08")):
        net = schema.NetParameter()
        net.input.append("x")
        net.input_dim.extend([1, 1, 2, 2])
        old = net.layers.add(bottom=["x"], top=["r"])
        inner = old.layer if oldest else old
        inner.name = "r"
        if oldest:
            inner.type = "relu"
        else:
            inner.type = old.RELU
            inner.relu_param.MergeFromString(b"\xa8\x06" + value)  # field 101
        inner.MergeFromString(b"\xc0\x05" + value)  # field 88
        inner.MergeFromString(b"\xa8\x06" + value)  # field 101, which a layer of today has: loss_param
        (tmp_path / f"{name}.binaryproto").write_bytes(net.SerializeToString())
        with pytest.warns(Remark, match="field 101 of a fork has another meaning today"):
            convert(str(tmp_path / f"{name}.binaryproto"), str(tmp_path / f"{name}.prototxt"))
        convert(str(tmp_path / f"{name}.prototxt"), str(tmp_path / f"{name}.again.binaryproto"))
    (_, layer) = read_file(tmp_path / "a.again.binaryproto", "NetParameter").message.layer
    assert [(one.field_number, one.data) for one in fields(layer)] == [(88, 7)]
    assert oldest or [(one.field_number, one.data) for one in fields(layer.relu_param)] == [(101, 7)]
    assert run(["diff", str(tmp_path / "a.prototxt"), str(tmp_path / "a.prototxt")]) == 0
    assert run(["diff", str(tmp_path / "a.prototxt"), str(tmp_path / "b.prototxt")]) == 1
    assert run(["diff", str(tmp_path / "a.binaryproto"), str(tmp_path / "b.binaryproto")]) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "field" in line]
    assert lines.count(["r", "field", "88", "7", "->", "8"]) == 2
    assert lines.count(["relu_param.field", "101", "7", "->", "8"]) == (0 if oldest else 2)


def fields(message):
    found = UnknownFieldSet(message)
    return [found[index] for index in range(len(found))]


def test_defaults_hold_for_fields_that_are_unknown():
    text = "defaults NewKind { a: 1 b: 2 }\nlayer x: NewKind { b: 3 }\nlayer y: NewKind"
    assert [[one.text for one in layer.kept] for layer in net(text).layer] == [["a: 1", "b: 3"], ["a: 1", "b: 2"]]


def test_an_older_format_with_a_type_of_a_fork():
    bound = read_text("layers { name: 'u' bottom: 'a' top: 'u' type: ROI_POOLING speed: 2 }", "x.prototxt", "NetParameter")
    (layer,) = bound.message.layer
    assert (layer.type, [one.text for one in layer.kept]) == ("ROIPooling", ["speed: 2"])
    assert net("layers { name: 'u' type: NEW_KIND }").layer[0].type == "NEW_KIND"


@pytest.mark.parametrize(
    "text",
    [
        'layer { name: "r" type: "Relu" }',
        'layer { type: "Pooling" pooling_param { kernal_size: 2 } }',
        'layer { type: "Pooling" polling_param { kernel_size: 2 } }',
        'layer { type: "Convolution" kernel_size: 2 }',
        "layer r: ReLU(x) { zzz: 3 }",
        "layers { name: 'u' type: POOLNG }",
        'layer { type: "Pooling" pooling_param { engine: CAFE } }',
    ],
)
def test_what_is_misspelt_or_misplaced_is_an_error(text):
    with pytest.raises(NetdefError):
        net(text)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Poolling", "Pooling"), ("Relu", "ReLU"), ("LNR", "LRN"), ("Convolutoin", "Convolution"), ("ReLU7", None),
        ("NdConvolution", None), ("CReLU", None), ("SLRN", None), ("L2Norm", None), ("Deconv", None),
    ],
)  # fmt: skip
def test_types_that_are_misspelt(word, meant):
    assert misspelt(word, LAYER_TYPES) == meant


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("num_outptu", ["num_output"], "num_output"),
        ("batchSize", ["batch_size"], "batch_size"),
        ("dilation_h", ["dilation"], None),
        ("pad_l", ["pad_h", "pad_w"], None),
        ("bn_param", ["lrn_param"], None),
        ("permute_param", ["parameter_param"], None),
        ("trt_param", ["lrn_param"], None),
    ],
)
def test_fields_that_are_misspelt(word, known, meant):
    assert misspelt(word, known) == meant


def test_a_block_that_a_fork_puts_into_another_is_kept():
    """As Intel's LRN with a pooling fused to it; where a brace is missing it is what Caffe has there, and misplaced."""
    text = 'layer { name: "n" type: "LRN" bottom: "x" top: "n" lrn_param { local_size: 5 pooling_param { kernel_size: 3 } }'
    (layer,) = net(f"{text} }}").layer
    assert [(one.at, one.text) for one in layer.kept] == [("lrn_param", "pooling_param { kernel_size: 3 }")]
    assert layer.lrn_param.local_size == 5
    with pytest.raises(NetdefError, match=r"'\{' of .* is not closed"):
        net(text)


def test_engines_of_forks_stand_anywhere():
    assert [one.text for one in net('layer { type: "Convolution" engine: "MKLDNN" }').layer[0].kept] == ['engine: "MKLDNN"']
    of_nvidia = 'name: "n" default_forward_type: FLOAT default_backward_type: FLOAT layer { type: "ReLU" }'
    assert kind_of_text(of_nvidia) == NET


def test_a_binary_net_is_printed_with_what_it_keeps():
    assert net(print_message(net(FORK))) == net(FORK)
