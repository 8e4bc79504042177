"""The canonical form: what it looks like, and that it says the same."""

import difflib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings

import netdef
from netdef.fmt import formatted
from netdef.fmt.comments import comments_of
from netdef.language import NetdefError, print_message, read_file
from netdef.language.find import models_folder
from tests.marks import LONG_NETS, RELEASE
from tests.netdef.fmt.texts import LONG, long_layers, meaning, nets, parses

MODELS = sorted(models_folder().glob("*.net"))
SOLVERS = sorted(models_folder().glob("*.txt"))


def test_the_short_form_of_a_long_net():
    assert (
        formatted(LONG, "x.prototxt", "net")
        == """# the whole net
name: "Net"  # its name

defaults Convolution {
  weight_filler { type: "gaussian" std: 1E-2 }
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
}

# where the data come from
# a name
train layer data: ImageData -> data, label {
  source: "list.txt"  # a list
  batch_size: 32
  # what is done to them
  transform_param { mirror: true mean_value: [104, 117, 123] }  # blue, green, red
}  # data ends
layer conv1: Convolution(data) {
  # settings
  num_output: 96
  kernel_size: 11 stride: 4
  # no more
}

layer relu1: ReLU(conv1) -> conv1
layer conv2: Convolution(conv1) { num_output: 256 kernel_size: 5 bias_filler { value: 1 } }
# the end
"""
    )


def test_the_long_form():
    assert formatted(LONG, "x.prototxt").startswith("""# the whole net
name: "Net"  # its name

# where the data come from
layer {
  name: "data"  # a name
  type: "ImageData"
  top: "data"
  top: "label"
  include {
    phase: TRAIN
  }
  # what is done to them
  transform_param {
    mirror: true
    mean_value: 104
    mean_value: 117
    mean_value: 123
  }  # blue, green, red
  image_data_param {
    source: "list.txt"  # a list
    batch_size: 32
  }
}  # data ends
layer {
""")


def test_the_long_form_of_a_short_net():
    text = """# about the defaults
defaults LRN { k: 2 }  # of both

# about the layer
train layer a: LRN(x) -> y { alpha: 1E-4 }  # beside
layer b: ReLU(y) { # opened
  negative_slope: 0.5 # steep
  # inside
}
"""
    assert (
        formatted(text, "x.net", "prototxt")
        == """# about the defaults
# of both

# about the layer
layer {
  name: "a"
  type: "LRN"
  bottom: "x"
  top: "y"
  include {
    phase: TRAIN
  }
  lrn_param {
    alpha: 1E-4
    k: 2
  }
}  # beside
layer {  # opened
  name: "b"
  type: "ReLU"
  bottom: "y"
  top: "b"
  relu_param {
    negative_slope: 0.5  # steep
  }
  # inside
}
"""
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", [*MODELS, *SOLVERS], ids=lambda path: path.name)
def test_models_are_formatted(path):
    text = path.read_text()
    diff = difflib.unified_diff(text.splitlines(), formatted(text, str(path)).splitlines(), lineterm="")
    assert list(diff) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=RELEASE if path.stem in LONG_NETS else ()) for path in MODELS], ids=lambda path: path.name
)
def test_long_and_short_again(path):
    """The same network, by its message and by its graph, all along; every comment kept."""
    text = path.read_text()
    long = formatted(text, str(path), "prototxt")
    short = formatted(long, str(path), "net")
    assert meaning(text, str(path)) == meaning(long, str(path)) == meaning(short, str(path))
    for made in (long, short):
        assert formatted(made, str(path), "prototxt" if made is long else "net") == made
        lost = Counter(count(text)) - Counter(count(made))
        assert not lost
        assert "include" in text or count(made) == count(text)  # those of included files come along
    for phase in ("train", "test"):
        assert netdef.parse(short, str(path), phase).totals == netdef.load(str(path), phase).totals
    assert bare(formatted(short, str(path), "prototxt")) == bare(long)  # to the letter: every field where it was


def bare(text):
    """The lines of a text that are more than a comment."""
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_four_hundred_lines_become_forty():
    """BVLC's AlexNet as Caffe writes it; defaults are found, not given."""
    message = read_file(models_folder() / "bvlc_alexnet.net", "NetParameter").message
    long = print_message(message)
    assert len(long.splitlines()) > 390
    short = formatted(long, "x.prototxt", "net")
    assert meaning(short) == meaning(long)
    assert 38 <= len([line for line in short.splitlines() if line]) <= 46
    assert [line.split(" {")[0] for line in short.splitlines() if line.startswith("defaults")] == [
        "defaults Convolution", "defaults Pooling", "defaults InnerProduct",
    ]  # fmt: skip
    conv2 = "{ num_output: 256 pad: 2 kernel_size: 5 group: 2 bias_filler { value: 0.1 } }"
    assert f"layer conv2: Convolution(pool1) {conv2}\n" in short


def test_older_formats_become_modern():
    for name in ("v0", "v1"):
        text = Path(f"tests/goldens/files/{name}.prototxt").read_text()
        for to in ("prototxt", "net"):
            made = formatted(text, "x.prototxt", to)
            assert meaning(made) == meaning(text)
            assert "layers" not in made
            assert formatted(made, "x.prototxt", to) == made


def test_solvers():
    text = "base_lr:0.1 # the rate\nlr_policy : \"step\"  gamma: 0.1,\n\n\nstepvalue: [10,20] # later\nnet: 'x.net'"
    assert formatted(text, "s.txt") == (
        'base_lr: 0.1  # the rate\nlr_policy: "step"\ngamma: 0.1\n\nstepvalue: 10\nstepvalue: 20  # later\nnet: "x.net"\n'
    )


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("layer a:ReLU( x )->y{negative_slope:1}", "layer a: ReLU(x) -> y { negative_slope: 1 }"),
        ("layer a: ReLU(x) -> a", "layer a: ReLU(x)"),
        ("layer a: ReLU() { }", "layer a: ReLU"),
        ("layer 'a': 'ReLU'('x', 'a b')", 'layer a: ReLU(x, "a b")'),
        ("layer s: Silence(x) -> s", "layer s: Silence(x) -> s"),
        ("layer { name: 's' type: 'Silence' bottom: 'x' }", "layer s: Silence(x)"),
        ("layer { name: 'a' type: 'ReLU' top: 'a' relu_param { } }", "layer a: ReLU { relu_param { } }"),
        ("layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'a' softmax_param { axis: 2 } top: 'l' "
         "loss_param { ignore_label: 1 } }",
         "layer l: SoftmaxWithLoss(a) { axis: 2 ignore_label: 1 }"),
        ("layer { name: 'l' type: 'EuclideanLoss' bottom: 'a' bottom: 'b' }",  # without a top: the short form would make one
         'layer { name: "l" type: "EuclideanLoss" bottom: ["a", "b"] }'),
        ("layer { name: 'a' type: 'ReLU' top: 'a' include { phase: TEST } include { phase: TRAIN } }",
         "layer a: ReLU { include { phase: TEST } include { phase: TRAIN } }"),
        ("layer { name: 'a' type: 'ReLU' top: 'a' include { phase: TEST stage: 'x' } }",
         'layer a: ReLU { include { phase: TEST stage: "x" } }'),
        ("layer a: Convolution { kernel_size: 3 kernel_size: 5 pad: [1] dilation: [2,3] }",
         "layer a: Convolution { kernel_size: [3, 5] pad: 1 dilation: [2, 3] }"),
        ("layer a: Convolution { param: [] }", "layer a: Convolution { param: [] }"),
        ("layer a: Convolution { param [{lr_mult:1},{}] }", "layer a: Convolution { param { lr_mult: 1 } param { } }"),
        ("layer a: Python { module: 'm' layer: \"it's\" 'q\"' }", r'''layer a: Python { module: "m" layer: "it's" "q\"" }'''),
        ("include   'alexnet.net'  remove   layer 'norm1'", 'include "alexnet.net"\nremove layer norm1'),
        ("include 'alexnet.net'  bypass   layer  'norm1'", 'include "alexnet.net"\nbypass layer norm1'),
        ("defaults ReLU{} layer a: ReLU", "defaults ReLU { }\nlayer a: ReLU"),
        ("state: <phase: TEST>", "state { phase: TEST }"),
        ("# only\nname: 'x'\n\n\n\n# last\n", '# only\nname: "x"\n\n# last'),
    ],
)  # fmt: skip
def test_canonical_forms(text, form):
    made = formatted(text, "x.net")
    assert made == form + "\n"
    assert formatted(made, "x.net") == made


def test_errors_of_a_text_are_raised():
    with pytest.raises(NetdefError, match="unknown field"):
        formatted("layer a: ReLU { x: 1 }", "x.net")


def test_empty_lines_between_all_layers_are_removed():
    first, second, third = (f"layer {{\n  name: '{n}'\n  type: 'ReLU'\n  bottom: 'x'\n  top: '{n}'\n}}\n" for n in "abc")
    short = "layer a: ReLU(x)\n{}layer b: ReLU(x)\n{}layer c: ReLU(x)\n"
    assert formatted(f"{first}\n{second}\n\n{third}", "x", "net") == short.format("", "")
    assert formatted(f"{first}\n{second}\n# last\n{third}", "x", "net") == short.format("", "\n# last\n")
    assert formatted(f"{first}\n{second}{third}", "x", "net") == short.format("\n", "")
    assert formatted(short.format("\n", "\n"), "x", "net") == short.format("\n", "\n")


def test_long_heads_and_lists_are_wrapped():
    names = [f"some/branch_{number}" for number in range(20)]
    text = f"""
    train layer all: Concat({", ".join(names)}) -> {", ".join(names)} {{ axis: 1 }}
    layer cut: Slice(all) -> a, b {{  # opened
      slice_point: [{", ".join(str(1000 * n) for n in range(40))}]  # beside
    }}
    """
    made = formatted(text, "x.net")
    assert made.startswith("train layer all: Concat(some/branch_0, some/branch_1, ")
    lines = made.splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[1].startswith("    some/branch_")
    assert not any(line.endswith("->") for line in lines)  # tops are on the line of the arrow
    assert lines[-2].startswith("      ")
    assert lines[-2].endswith("39000]  # beside")
    assert meaning(made) == meaning(text)
    assert formatted(made, "x.net") == made


def test_empty_lines_between_values_of_a_field_are_removed():
    text = "layer a: Slice(x) -> b, c { slice_point: 1\n\nslice_point: 2 }\n"
    assert formatted(text, "x.net") == "layer a: Slice(x) -> b, c { slice_point: [1, 2] }\n"


def test_a_comment_stays_with_its_value():
    values = ["slice_point: 1", "slice_point: 2  # the half", "slice_point: 3"]
    text = "layer a: Slice(x) -> b, c, d, e {\n  " + "\n  ".join(values) + "\n}\n"
    assert formatted(text, "x.net") == text
    long = formatted(text, "x.prototxt", "prototxt")
    assert "slice_point: 2  # the half" in long
    assert formatted(long, "x.net") == text


def test_a_file_with_windows_line_ends():
    assert formatted('name: "x"\r\n# said\r\nlayer a: ReLU\r\n', "x.net") == 'name: "x"\n# said\nlayer a: ReLU\n'


# Any net.


def keeps(text, to, filename="x.net"):
    assume(parses(text))
    try:
        before = meaning(text)
    except NetdefError:
        before = b""
    assume(before)
    made = formatted(text, filename, to)
    assert meaning(made) == before
    assert formatted(made, filename, to) == made
    return made


def count(text):
    """The comments of a text."""
    return sorted(comment.text for comment in comments_of(text))


@pytest.mark.slow
@given(nets())
@settings(deadline=None, max_examples=60)
def test_any_net_in_the_short_form(text):
    assert count(keeps(text, "net")) == count(text)


@pytest.mark.slow
@given(nets())
@settings(deadline=None, max_examples=60)
def test_any_net_in_the_long_form(text):
    assert count(keeps(text, "prototxt")) == count(text)


@pytest.mark.slow
@given(nets(kinds=(long_layers,)))
@settings(deadline=None, max_examples=60)
def test_long_to_short_to_long(text):
    short = keeps(text, "net", "x.prototxt")
    assert meaning(formatted(short, "x.net", "prototxt")) == meaning(text)
