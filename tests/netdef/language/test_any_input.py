"""Whatever comes in, out comes a message or a NetdefError: never another exception, never endless work."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdef.language import Bound, NetdefError, parse, print_message, read_text
from tests.marks import RELEASE

MESSAGES = st.sampled_from(["NetParameter", "SolverParameter"])


def check(text, message="NetParameter"):
    try:
        bound = read_text(text, "x.net", message)
    except NetdefError as error:
        assert error.diagnostics
        assert str(error)
        return None
    assert isinstance(bound, Bound)
    return bound


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.text(), MESSAGES)
def test_any_text(text, message):
    check(text, message)


@settings(max_examples=150, deadline=None)
@given(st.binary(), MESSAGES)
def test_any_bytes(data, message):
    check(data, message)


# Pieces of real files in any order, with and without what belongs between them.
PIECES = r"""
layer train test defaults name conv1 a/1x1 Convolution ReLU Pooling Clip Python Data num_output kernel_size stride pool type layers
param lr_mult convolution_param pooling_param data_param weight_filler include exclude phase TRAIN stage input input_dim input_shape
dim blobs_lr CONVOLUTION RELU layer_ net_param train_net_param max_iter solver_type
inf nan true 0 3 -1 0x1f 1.5 1e9 08 "x" 'y' "ReLU"
"conv" "a\q" "un 'un " ' { } < > [ ] ( ) : , ; -> - + = @ # \ é
"""
WORDS = [*PIECES.split(), "\N{NO-BREAK SPACE}", "\0"]
FIELD = st.sampled_from(
    [
        'type: "Convolution"',
        "convolution_param { kernel_size: 3 }",
        "convolution_param: 3",
        "kernel_size: [1, 2]",
        "kernel_size: 3 kernel_size: 4",
        "include { phase: TEST }",
        "weight_filler: 'x'",
        'layer { type: "padding" }',
        "type: 3",
        'name: "x"',
    ]
)
HEAD = st.sampled_from(
    ["layer a: Convolution(b) {", "layer {", "layers {", "defaults Convolution {", "train layer x: Clip {", "net_param {"]
)


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "\n", "\n  "]), max_size=40), MESSAGES)
def test_any_words(words, message):
    check(" ".join(words), message)


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(st.lists(st.one_of(FIELD, HEAD, st.just("}"), st.sampled_from(WORDS)), max_size=25), MESSAGES)
def test_any_statements(statements, message):
    bound = check("\n".join(statements), message)
    if bound is not None and bound.message.ListFields():
        assert read_text(print_message(bound.message), "x.net", message).message == bound.message


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_file_with_one_piece_gone(data):
    text = 'layer a: Convolution(x) -> y { num_output: 3 weight_filler { type: "msra" } }\nlayer { name: "b" type: "ReLU" }\n'
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 12)))
    check(text[:start] + text[end:])


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        " " * 300_000,
        "#" * 300_000,
        '"' * 30_000,
        "'" + "\\" * 30_000,
        "a" * 300_000,
        "9" * 30_000 + ": 3",
        "}" * 10_000,
        "->" * 10_000,
        "layer " * 10_000,
        "a: " * 10_000,
        "a: 1 2 " * 3_000,
        "a: [1 2] " * 3_000,
        "a: [" + "1," * 30_000 + "]",
        "a { b: 1 " * 90 + "x " * 6_000,
        "layer a: ReLU(" + "b," * 15_000,
        '"a" ' * 15_000,
        "\n".join(f"layer {{ name: 'l{i}'" for i in range(90)),
    ],
    ids=lambda text: repr(text[:10]),
)
def test_in_time(text):
    start = time.process_time()
    check(text)
    assert time.process_time() - start < 5


@pytest.mark.slow
@pytest.mark.parametrize("count", [2_500, pytest.param(10_000, marks=RELEASE)])
def test_thousands_of_layers(count):
    """Linear: twice the text takes about twice the time, and a large network a few seconds."""
    layer = """layer { name: "c%d" type: "Convolution" bottom: "x%d" top: "x%d" param { lr_mult: 1 } param { lr_mult: 2 }
    convolution_param { num_output: 256 pad: 1 kernel_size: 3 weight_filler { type: "gaussian" std: 0.01 } } }\n"""
    text = "".join(layer % (i, i, i + 1) for i in range(count))
    start = time.process_time()
    assert len(read_text(text, "x.net", "NetParameter").message.layer) == count
    assert time.process_time() - start < count / 500  # a tenth of it on an idle machine


def test_a_parse_never_fails():
    tree = parse("layer layer layer } ] -> 'x")
    assert tree.diagnostics and tree.statements == []
