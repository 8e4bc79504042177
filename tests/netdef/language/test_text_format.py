"""The language contains protobuf's text format: what protobuf reads, netdef reads to the same message."""

import math
import struct

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from netdef import schema
from netdef.language import NetdefError, print_message, read_text


def read(text, message="NetParameter"):
    return read_text(text, "x.net", message).message


def filler(text):
    return read(text, "FillerParameter")


SAME = [
    'name: "x"',
    "name: 'x'",
    "name: 'a' \"b\"\n  'c'",
    r'name: "\a\b\f\n\r\t\v\\\'\" \101\x41\xc3\xa9"',
    'name: "é # not a comment" # a comment\n# another',
    "layer { name: 'a' type: 'ReLU' }",
    "layer: { name: 'a' type: 'ReLU' }",
    "layer < name: 'a' type: 'ReLU' >",
    "layer: < name: 'a' type: 'ReLU' relu_param { } >",
    "layer { name: 'a'; type: 'ReLU', };",
    "name: 'x', layer { type: 'ReLU' }, force_backward: true;",
    "layer [ { name: 'a' type: 'ReLU' }, < name: 'b' type: 'TanH' > ]",
    "layer: [ { type: 'ReLU' } ]",
    "layer: [ ]",
    "input: ['a', 'b']  input: 'c' input: []",
    "force_backward: true",
    "force_backward: True",
    "force_backward: t",
    "force_backward: 1",
    "force_backward: false debug_info: f",
    "force_backward: False debug_info: 0",
    "state { phase: TRAIN level: -3 stage: ['a', 'b'] }",
    "state { phase: 1 }",
    "layer { type: 'Pooling' pooling_param { pool: AVE pad: 4294967295 } }",
    "layer { type: 'BatchNorm' blobs { shape { dim: [9223372036854775807] } double_data: 0.1 } }",
    "name:'x'layer{type:'ReLU'}",
    "name\n:\n'x'\f\v\r\n",
]


@pytest.mark.parametrize("text", SAME)
def test_as_protobuf(text):
    wanted = text_format.Parse(text, schema.NetParameter())
    wanted.ClearField("input")
    assert read(text) == wanted


@pytest.mark.parametrize("number", ["0", "-0", "7", "0x10", "0XfF", "-0x10", "010", "-010", "00", str(2**63 - 1), str(-(2**63))])
def test_integers_as_protobuf(number):
    assert read(f"dim: {number}", "BlobShape") == text_format.Parse(f"dim: {number}", schema.BlobShape())


FLOATS = "1 -1 1. .5 1.5 1e3 1E-3 1.e+3 1f 1.f 1e3f 0 -0 inf -inf Infinity nan -nan 1e-45 3.4028235e38 1e40 9" + "9" * 40


@pytest.mark.parametrize("text", FLOATS.split())
def test_floats_as_protobuf(text):
    mine, wanted = filler(f"value: {text}").value, text_format.Parse(f"value: {text}", schema.FillerParameter()).value
    assert struct.pack("<f", mine) == struct.pack("<f", wanted) or (math.isnan(mine) and math.isnan(wanted))


def test_newer_escapes_and_suffixes():
    """What protobuf's C++ reads, and old releases of its Python do not."""
    assert filler(r'type: "\u00e9 \U0001F600 \? \0."').type == "é \U0001f600 ? \0."
    assert filler("value: 1.5F").value == 1.5


def test_signs():
    assert filler("value: - 1").value == -1
    assert filler("value: +1.5 sparse: +3").value == 1.5
    assert filler("value: - \n inf").value == -math.inf


def test_bytes():
    assert read(r'data: "\000\xff\377é"', "Datum").data == b"\x00\xff\xff" + "é".encode()


def test_a_number_and_a_word_of_an_enum_are_the_same():
    assert filler("variance_norm: 2") == filler("variance_norm: AVERAGE")


NOT = {
    "value: 0x10": "decimal",
    "value: 010": "decimal",
    "value: true": "takes a number",
    "sparse: 1.0": "write sparse: 1",
    "sparse: 08": "octal",
    "sparse: 2147483648": "too large",
    "sparse: -2147483649": "too small",
    "sparse: " + "9" * 5000: "",
    "variance_norm: 3": "FAN_IN, FAN_OUT, AVERAGE",
    "variance_norm: fan_in": "did you mean FAN_IN?",
    "type: gaussian": 'write type: "gaussian"',
    r'type: "\q"': "is not an escape",
    r'type: "\x"': "is not an escape",
    r'type: "\ud800"': "is not a character",
    r'type: "\U00110000"': "is not a character",
    r'type: "\xff"': "UTF-8",
    "type: 'a' type: 'b'": "given twice",
    "value: [1]": "not a list",
    "value { }": "not a block",
    "value: 1;; min: 2": "separator",
}


@pytest.mark.parametrize("text", NOT)
def test_invalid_numbers(text):
    with pytest.raises(NetdefError) as caught:
        filler(text)
    assert NOT[text] in str(caught.value)
    assert len(caught.value.diagnostics) == 1
    assert len(str(caught.value)) < 600


def test_bools():
    for value in ("0x1", "01", "1", "t", "True"):
        assert read(f"force_backward: {value}").force_backward is True
    for value in ("0x0", "00", "0", "f", "False"):
        assert read(f"force_backward: {value}").force_backward is False


@pytest.mark.parametrize("value", ["yes", "2", "TRUE", '"true"', "-1", "0x2"])
def test_not_a_bool(value):
    with pytest.raises(NetdefError, match="takes true or false"):
        read(f"force_backward: {value}")


# Any message at all survives the way to text and back, through either printer.

SCALARS = {
    "integer": st.integers(-(2**31), 2**31 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
}
MESSAGES = {
    "FillerParameter": {"type": "string", "value": "float", "std": "float", "sparse": "integer"},
    "BlobProto": {"data": "float", "num": "integer"},
    "NetState": {"stage": "string", "level": "integer"},
}


@st.composite
def messages(draw):
    name = draw(st.sampled_from(sorted(MESSAGES)))
    made = schema.message_class(name)()
    for field, kind in MESSAGES[name].items():
        if hasattr(getattr(made, field), "append"):
            getattr(made, field).extend(draw(st.lists(SCALARS[kind], max_size=4)))
        elif draw(st.booleans()):
            setattr(made, field, draw(SCALARS[kind]))
    return name, made


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(messages())
def test_round_trip(drawn):
    name, made = drawn
    if made.ListFields():
        assert read(print_message(made), name) == made
        assert read(text_format.MessageToString(made), name) == made
        assert text_format.Parse(print_message(made), type(made)()) == made


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_round_trip_of_bytes(data):
    made = schema.Datum(data=data, channels=1)
    assert read(print_message(made), "Datum") == made
    assert read(text_format.MessageToString(made), "Datum") == made
