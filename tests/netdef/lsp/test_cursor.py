"""What stands at the cursor. | is the cursor."""

import pytest

from netdef.lsp.cursor import Wants, cursor_at
from netdef.lsp.document import Document


def at(marked, name="x.net", whole=False):
    offset = marked.index("|")
    return cursor_at(Document(marked.replace("|", "", 1), uri=f"file:///{name}"), offset, whole)


CONV = "layer x: Convolution(a) { num_output: 4 "


@pytest.mark.parametrize(
    ("text", "wants", "typed"),
    [
        ("|", Wants.FIELD, ""),
        ("lay|", Wants.FIELD, "lay"),
        ("layer |", Wants.LAYER, ""),
        ("layer x|", Wants.LAYER, "x"),
        ("layer x |", Wants.PUNCTUATION, ""),
        ("layer x:|", Wants.TYPE, ""),
        ("layer x: Conv|", Wants.TYPE, "Conv"),
        ("test layer x: Conv|", Wants.TYPE, "Conv"),
        ("layer x: ReLU |", Wants.PUNCTUATION, ""),
        ("layer x: ReLU(|", Wants.BOTTOM, ""),
        ("layer x: ReLU(|)", Wants.BOTTOM, ""),
        ("layer x: ReLU(|data)", Wants.BOTTOM, ""),
        ("layer x: ReLU(a/3x3-b|", Wants.BOTTOM, "a/3x3-b"),
        ("layer x: Eltwise(a, |", Wants.BOTTOM, ""),
        ("layer x: Eltwise(a |", Wants.PUNCTUATION, ""),
        ("layer x: ReLU(a) -> |", Wants.TOP, ""),
        ("layer x: Slice(a) -> b, |", Wants.TOP, ""),
        ("layer x: Slice(a) -> b, c|", Wants.TOP, "c"),
        ("layer x: ReLU(a) |", Wants.PUNCTUATION, ""),
        ("layer x: ReLU(a)\n|", Wants.FIELD, ""),
        ("layer x: ReLU(a)\nlay|", Wants.FIELD, "lay"),
        ("layer x: ReLU(a) -> a\nlay|", Wants.FIELD, "lay"),
        ("layer x: ReLU(a) -> a\n|\nlayer y: ReLU(x)", Wants.FIELD, ""),
        ("defaults |", Wants.TYPE, ""),
        ("defaults Conv|", Wants.TYPE, "Conv"),
        ('include "|', Wants.FILE, ""),
        ('include "ale|"', Wants.FILE, "ale"),
        ("include |", Wants.FILE, ""),
        ("remove |", Wants.PUNCTUATION, ""),
        ("remove layer |", Wants.REMOVED, ""),
        ("remove test layer no|", Wants.REMOVED, "no"),
        ("bypass layer no|", Wants.REMOVED, "no"),
        ("name: |", Wants.VALUE, ""),
        ('name: "x" |', Wants.FIELD, ""),
        (CONV + "|", Wants.FIELD, ""),
        (CONV + "ker|", Wants.FIELD, "ker"),
        (CONV + "kernel_size |", Wants.PUNCTUATION, ""),
        (CONV + "kernel_size: |", Wants.VALUE, ""),
        (CONV + "kernel_size: 3|", Wants.VALUE, "3"),
        (CONV + "kernel_size: -3 |", Wants.FIELD, ""),
        (CONV + "kernel_size: [3, |", Wants.VALUE, ""),
        (CONV + "kernel_size: [3 |", Wants.PUNCTUATION, ""),
        (CONV + "kernel_size: [3, 3] |", Wants.FIELD, ""),
        (CONV + "kernel_size: 3, |", Wants.FIELD, ""),
        (CONV + "weight_filler { |", Wants.FIELD, ""),
        (CONV + "weight_filler { type: 'x' } |", Wants.FIELD, ""),
        (CONV + "kernel_size:\n  str|", Wants.FIELD, "str"),
        ("layer { type: '|", Wants.TYPE, ""),
        ("layer { type: |", Wants.TYPE, ""),
        ('layer { bottom: "da|" }', Wants.BOTTOM, "da"),
        ('layer { bottom: ["a", "|', Wants.BOTTOM, ""),
        ('layer { top: "|" }', Wants.TOP, ""),
        ('layer { name: "x|"', Wants.LAYER, "x"),
        ("layer { |", Wants.FIELD, ""),
        ("# a com|ment", None, ""),
        ("layer x: ReLU(a) # |", None, ""),
        ('name: "# no com|ment"', Wants.VALUE, "# no com"),
        # What came before is not right.
        ("layer y: ReLU(b\nlayer x: |", Wants.TYPE, ""),
        ("layer y: ReLU(b) {\nlayer x: ReLU(|", Wants.BOTTOM, ""),
        ("} ) ]\nlayer x: |", Wants.TYPE, ""),
        ("layer x: Pooling(a) { pool: stride: |", Wants.VALUE, ""),
        ("layer x: Pooling(a) { ) pool: |", Wants.VALUE, ""),
        ('layer x: Pooling(a) { "oops" pool: |', Wants.VALUE, ""),
        ("train x: |", Wants.PUNCTUATION, ""),
        ("layer x: Pooling(a) { = @ po|", Wants.FIELD, "po"),
    ],
)
def test_what_the_cursor_takes(text, wants, typed):
    found = at(text)
    assert (found and found.wants, found.typed if found else "") == (wants, typed)


@pytest.mark.parametrize(
    ("text", "field", "topic"),
    [
        (CONV + "pad: |", "pad", "Convolution"),
        (CONV + "weight_filler { std: |", "std", "Convolution.weight_filler"),
        (CONV + "weight_filler: { std: |", "std", "Convolution.weight_filler"),
        (CONV + "param { lr_mult: 1 } param { lr_mult: |", "lr_mult", "Convolution.param"),
        (CONV + "param [{ lr_mult: |", "lr_mult", "Convolution.param"),
        (CONV + "pad: weight_filler { std: |", "std", "Convolution.weight_filler"),
        (CONV + "include < phase: |", "phase", "Convolution.include"),
        ("defaults Pooling { pool: |", "pool", "Pooling"),
        ("layer { pooling_param { pool: |", "pool", "layer.pooling_param"),
        ('layer {\n  convolution_param {\n    weight_filler {\n      type: "|', "type", "layer.convolution_param.weight_filler"),
        ("state { phase: |", "phase", "net.state"),
        ("layers { type: |", "type", "V1LayerParameter"),
    ],
)
def test_whose_value_it_is(text, field, topic):
    found = at(text)
    assert (found.wants, found.field.name, found.frame.topic) == (Wants.VALUE, field, topic)


def test_fields_of_a_solver():
    found = at("net: 'x'\nlr_policy: '|'", "solver.prototxt")
    assert (found.wants, found.field.name, found.frame.topic) == (Wants.VALUE, "lr_policy", "solver")
    assert at("net: '|'", "solver.prototxt").wants is Wants.FILE
    found = at("net_param { layer { bottom: '|", "solver.prototxt")
    assert (found.wants, found.frame.topic) == (Wants.BOTTOM, "layer")


def test_what_a_block_has_already():
    found = at(
        "layer x: Convolution(a) { pad: 1 param { lr_mult: 2 } st| kernel_size: 3 weight_filler { std: 1 } }\nlayer y: LRN(x)"
    )
    assert found.frame.given == {"pad", "param", "kernel_size", "weight_filler"}
    found = at("layer { pooling_param { | stride: 2 } type: 'Pooling' }")
    assert found.frame.given == {"stride"}


@pytest.mark.parametrize("text", ["layer { type: 'LRN' | }", "layer { | bottom: 'x' type: 'LRN' }", "layer {\n  |\n type: 'LRN'\n"])
def test_the_type_of_a_layer_in_either_form(text):
    assert at(text).frame.type == "LRN"


def test_a_type_does_not_come_from_elsewhere():
    assert at("layer { weight_filler { type: 'x' } | convolution_param { weight_filler { type: 'xavier' } } }").frame.type == ""
    assert at("layer { | } layer { type: 'LRN' }").frame.type == ""


@pytest.mark.parametrize(
    ("text", "word", "quoted"),
    [
        ("layer x: Re|LU(a)", "ReLU", False),
        ("layer x: |ReLU(a)", "ReLU", False),
        ("layer x: ReLU(|a)", "a", False),
        ("layer x: ReLU(a|)", "a", False),
        ("layer { type: '|LRN' }", "LRN", True),
        ("layer { type: |'LRN' }", "LRN", True),
        ("layer { type: 'LRN'| }", "", False),
    ],
)
def test_the_word_under_a_pointer(text, word, quoted):
    found = at(text, whole=True)
    assert (found.word, found.quoted) == (word, quoted)
    if word:
        assert text.replace("|", "")[found.start : found.end] == word


@pytest.mark.parametrize(
    ("text", "is_keyword"),
    [
        ("lay|er x: ReLU(a)", True),
        ("tr|ain layer x: ReLU(a)", True),
        ("inc|lude 'x.net'", True),
        ("lay|er { }", False),
        ("layer x: ReLU(a) { incl|ude { phase: TEST } }", False),
        ("na|me: 'x'", False),
    ],
)
def test_words_of_the_language(text, is_keyword):
    assert at(text, whole=True).is_keyword is is_keyword


def test_what_follows():
    assert at("layer x: ReLU(a) { neg| : 1 }").followed_by == ":"
    assert at("layer x: ReLU(a) { neg| }").followed_by == "}"
