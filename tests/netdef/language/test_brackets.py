"""A bracket that is missing, or one too many, is named where it was opened, once, and spoils nothing else."""

import textwrap

import pytest

from netdef.language import NetdefError, read_text
from netdef.language.brackets import DEEPEST


def fails(text):
    with pytest.raises(NetdefError) as caught:
        read_text(textwrap.dedent(text).lstrip("\n"), "x.net", "NetParameter")
    return [(f"{one.position.line}:{one.position.column} {one.message}", one.hint) for one in caught.value.diagnostics]


def test_indentation_shows_the_unclosed_bracket():
    text = """
    layer {
      name: "a"
      type: "Convolution"
      convolution_param {
        num_output: 3
    }
    layer {
      name: "b"
      type: "ReLU"
    }
    """
    assert fails(text) == [("4:21 '{' of convolution_param is not closed", "a '}' is missing after line 5")]


def test_the_outer_bracket():
    text = """
    layer {
      name: "a"
      type: "Convolution"
      convolution_param {
        num_output: 3
      }
    layer {
      name: "b"
      type: "Relu"
    }
    """
    assert fails(text) == [
        ("1:7 '{' of layer is not closed", "a '}' is missing after line 6"),
        ("9:9 unknown layer type 'Relu'", "did you mean ReLU?"),
    ]


def test_layers_in_one_line():
    text = """
    layer a: Convolution(x) {
      num_output: 3
    layer b: ReLU(a)
    train layer c: Pooling(b) { kernel_size: 3
    layer d: ReLU(c)
    """
    assert fails(text) == [
        ("1:25 '{' of layer a is not closed", "a '}' is missing after line 2"),
        ("4:27 '{' of layer c is not closed", "a '}' is missing on this line"),
    ]


def test_without_indentation():
    text = """
    layer {
    name: "a"
    type: "Convolution"
    convolution_param { num_output: 3
    }
    layer {
    name: "b"
    type: "ReLU"
    }
    """
    assert fails(text) == [("1:7 '{' of layer is not closed", "a '}' is missing after line 5")]


def test_unclosed_at_the_end():
    assert fails('layer {\n  name: "a"\n  type: "ReLU"\n') == [
        ("1:7 '{' of layer is not closed", "a '}' is missing before the end of the file")
    ]
    assert fails("layer a: Clip(x) { min: 1 max: 2") == [
        ("1:18 '{' of layer a is not closed", "a '}' is missing before the end of the file")
    ]


def test_one_closing_bracket_too_many():
    text = """
    layer {
      name: "a"
      }
      type: "ReLU"
    }
    layer b: ReLU(a)
    """
    assert fails(text) == [("3:3 this '}' is one too many", "remove it")]


def test_one_closing_bracket_too_many_at_the_end():
    with pytest.raises(NetdefError) as caught:
        read_text("layer a: ReLU(x) { }\n}\n", "x.net", "NetParameter")
    (found,) = caught.value.diagnostics
    assert (found.message, str(found.position)) == ("'}' closes nothing", "x.net:2:1")
    assert str(found.notes[0].position) == "x.net:1:20"


def test_fields_outside_their_layer_are_not_reported():
    assert fails('layer { name: "a" } type: "ReLU" }') == [("1:34 '}' closes nothing", "remove it")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("layer < name: 'x' type: 'ReLU' }", [("1:32 '}' does not close '<'", "write '>'")]),
        ("layer { type: 'ReLU' >", [("1:22 '>' does not close '{'", "write '}'")]),
        ("layer a: ReLU(b { }\nlayer c: ReLU(a)", [("1:14 '(' of layer a is not closed", "a ')' is missing on this line")]),
        ("layer a: ReLU(b\nlayer c: ReLU(a)", [("1:14 '(' of layer a is not closed", "a ')' is missing on this line")]),
        ("layer a: ReLU(b -> c", [("1:14 '(' of layer a is not closed", "a ')' is missing on this line")]),
        ("layer a: ReLU b) -> c", [("1:16 ')' closes nothing", "remove it"), ("1:18 unexpected '->'", "")]),
        (
            "layer a: Convolution(x) { stride: [1, 2 pad: 1 }",
            [("1:35 '[' of stride is not closed", "a ']' is missing on this line")],
        ),
        ("layer a: Convolution(x) { stride: [1, 2 }", [("1:35 '[' of stride is not closed", "a ']' is missing on this line")]),
        ("layer a: Convolution(x) { stride: 1, 2] }", [("1:39 ']' closes nothing", "remove it"), ("1:38 expected", "")]),
        ("layer {{ type: 'ReLU' }\nlayer b: TanH(x)", [("1:8 a second '{'", "remove it")]),
        ("layer {{ type: 'ReLU' }}", [("1:8 expected the name of a field, found '{'", "")]),
        ("layer a: ReLU(b,\nlayer c: ReLU(a)", [("1:14 '(' of layer a is not closed", "a ')' is missing on this line")]),
        ("layer a: LRN(x) { k: 1 ) }", [("1:24 ')' closes nothing", "remove it")]),
    ],
)
def test_other_brackets(text, wanted):
    found = fails(text)
    assert len(found) == len(wanted)
    for (message, hint), (start, advice) in zip(sorted(found), sorted(wanted), strict=True):
        assert message.startswith(start)
        assert hint == advice or not advice


@pytest.mark.parametrize(
    ("text", "after", "column"),
    [
        ("layer a: Pooling(x) { kernel_size: 2 }\nlayer b: Convolution(a) num_output: 3 kernel_size: 3 }", ")", 23),
        ("layer a: TanH(x)\nlayer b: Convolution(a)\n  num_output: 3 kernel_size: 3\n}", ")", 23),
        ("name: 'x'\nlayer b: Data -> data, label source: 'x' }", "label", 24),
        ("name: 'x'\nlayer name: 'r' type: 'ReLU' }", "layer", 1),
        ("name: 'x'\nlayer { type: 'ReLU' param lr_mult: 1 } }", "param", 22),
        ("name: 'x'\ndefaults Convolution\n  weight_filler { std: 1 }\n}", "Convolution", 10),
    ],
)
def test_a_missing_opening_bracket(text, after, column):
    ((said, _),) = fails(text)
    assert said == f"2:{column} a '{{' is missing after {after}"


def test_nesting():
    text = "a { " * DEEPEST + "} " * DEEPEST
    assert read_text(text, "x.net", "NetParameter").message.kept[0].text.count("{") == DEEPEST
    for opener in ("a {", "a <", "a: [", "(", "layer a: ReLU("):
        found = fails(f"name: 'x'\n{opener * 10_000}")
        assert found[0][0].startswith("2:") and "nest deeper than 100 levels" in found[0][0]
        assert len(found) == 1
