"""Texts to format."""

from hypothesis import strategies as st

from netdef.language import parse, read_text

LONG = """# the whole net
name: "Net"  # its name

# where the data come from
layer {
  name: "data"   # a name
  type: "ImageData"
  top: 'data' top: "label"
  include: { phase: TRAIN }
  # what is done to them
  transform_param { mirror: true mean_value: 104 mean_value: 117 mean_value: 123 }  # blue, green, red
  image_data_param <
    source: "list.txt" # a list
    batch_size: 32;
  >
} # data ends
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { # settings
    num_output: 96, kernel_size: 11 stride: 4
    weight_filler { type: "gaussian" std: 1E-2 }
    # no more
  }
}


layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 256 kernel_size: 5 weight_filler { type: "gaussian" std: 1E-2 } bias_filler { value: 1 } } }
# the end
"""


def meaning(text, filename="x.net", message="NetParameter"):
    """What a text says, as bytes."""
    return read_text(text, filename, message).message.SerializeToString(deterministic=True)


# Nets of any kind, as text with comments wherever they can stand.

WORDS = st.sampled_from(["data", "conv1", "x/y-z", "1", "layer", "train", "a b", 'q"uo', "é", "include", "n.1"])
COMMENT = st.sampled_from(["", "", "", "", " # said\n", "\n# said\n", "\n\n# said\n\n", " # one\n # two\n", "\n\n\n"])


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def gaps(draw):
    return draw(COMMENT) or " "


def spaced(draw, pieces):
    return "".join(piece + draw(gaps()) for piece in pieces)


SETTINGS = {
    "Convolution": ["num_output: 8", "kernel_size: 3", "kernel_size: [3, 5]", "pad: 1", "pad: 1 pad: 2", "stride: 2", "group: 1",
                    "bias_term: false", "weight_filler { type: 'xavier' }", "weight_filler { type: \"gaussian\" std: 1e-2 }",
                    "bias_filler { value: .1 }", "engine: CAFFE"],
    "Pooling": ["pool: MAX", "pool: AVE", "kernel_size: 3", "stride: 2", "kernel_size: 0x3"],
    "ReLU": ["negative_slope: -0.1", "negative_slope: +1"],
    "InnerProduct": ["num_output: 10", "weight_filler { }", "bias_filler { type: \"constant\" value: 1 }"],
    "Dropout": ["dropout_ratio: 0.5", "dropout_ratio: 5e-1"],
    "SoftmaxWithLoss": ["axis: 1", "ignore_label: 3", "normalize: true"],
    "Silence": [],
    "Python": ["module: 'm'", 'layer: "L"', r'param_str: "a\n\"b\" \\ \t"', 'param_str: "a" "b"'],
}  # fmt: skip
COMMON = ["loss_weight: 1", "param { lr_mult: 1 }", "param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }",
          "param [{ }, { lr_mult: 3 }]", "include { stage: 's' }", "include { phase: TEST min_level: 1 }", "param: []",
          "include: { phase: TRAIN }", "exclude { phase: TEST }", "phase: TEST", "propagate_down: [true, false]",
          "transform_param { scale: 2 mean_value: [1, 2] }"]  # fmt: skip
HOLDERS = {"Convolution": "convolution_param", "Pooling": "pooling_param", "ReLU": "relu_param", "Dropout": "dropout_param",
           "InnerProduct": "inner_product_param", "SoftmaxWithLoss": "softmax_param", "Python": "python_param"}  # fmt: skip


def _field(piece):
    return piece.replace("{", " { ").split(" ")[0].rstrip(":")


@st.composite
def bodies(draw, kind):
    """Settings of a layer, each field once."""
    chosen = draw(st.lists(st.sampled_from(SETTINGS[kind] + COMMON), max_size=5))
    return list({_field(piece): piece for piece in chosen}.values())


@st.composite
def long_layers(draw):
    kind = draw(st.sampled_from(sorted(SETTINGS)))
    holder = HOLDERS.get(kind)
    body = draw(bodies(kind))
    own = [piece for piece in body if piece in SETTINGS[kind] and not (kind == "SoftmaxWithLoss" and "axis" not in piece)]
    common = [piece for piece in body if piece in COMMON]
    heads = [f"name: {quoted(draw(WORDS))}", f'type: "{kind}"']
    heads += [f"bottom: {quoted(name)}" for name in draw(st.lists(WORDS, max_size=2))]
    heads += [f"top: {quoted(name)}" for name in draw(st.lists(WORDS, max_size=2))]
    pieces = heads + common
    if own or (draw(st.booleans()) and holder):
        pieces.append(f"{holder} {{{draw(gaps())}{spaced(draw, own)}}}")
    return "layer {" + draw(gaps()) + spaced(draw, draw(st.permutations(pieces))) + "}"


def name(text):
    from netdef.fmt.items import named

    return named(text)


@st.composite
def short_layers(draw):
    kind = draw(st.sampled_from(sorted(SETTINGS)))
    head = draw(st.sampled_from(["", "train ", "test "])) + f"layer {name(draw(WORDS))}: {kind}"
    bottoms = draw(st.lists(WORDS, max_size=2))
    tops = draw(st.lists(WORDS, max_size=2))
    head += f"({', '.join(map(name, bottoms))})" if bottoms else ""
    head += f" -> {', '.join(map(name, tops))}" if tops else ""
    body = [piece for piece in draw(bodies(kind)) if not (piece.startswith("exclude") and head.startswith("t"))]
    body = [piece for piece in body if not ("phase: T" in piece and head.startswith("t"))]
    return f"{head} {{{draw(gaps())}{spaced(draw, body)}}}" if body or draw(st.booleans()) else head


@st.composite
def defaults(draw):
    kind = draw(st.sampled_from(sorted(SETTINGS)))
    body = [piece for piece in draw(bodies(kind)) if not piece.startswith(("exclude", "include", "phase"))]
    return f"defaults {kind} {{{draw(gaps())}{spaced(draw, body)}}}"


@st.composite
def nets(draw, kinds=(long_layers, short_layers, defaults)):
    """Texts that are nets, as far as the schema is concerned."""
    pieces = draw(st.lists(st.one_of([kind() for kind in kinds]), min_size=1, max_size=6))
    if draw(st.booleans()):
        pieces.insert(0, 'name: "net"')
    text = draw(COMMENT).lstrip(" ") + spaced(draw, [piece + "\n" for piece in pieces])
    return text


def parses(text):
    return not parse(text).diagnostics
