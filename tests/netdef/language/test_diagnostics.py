"""Errors point at their line, once, with a hint; all errors of a file in one run."""

from itertools import pairwise

import pytest

from netdef.language import Diagnostic, NetdefError, Note, Position, read_text


def fails(text, message="NetParameter"):
    with pytest.raises(NetdefError) as caught:
        read_text(text, "x.net", message)
    found = []
    for one in caught.value.diagnostics:
        found.append((f"{one.position.line}:{one.position.column} {one.message}", one.hint))
    return found


# A text; then for each error its line and column, what it says, and the hint.
YAML = "this looks like YAML; a network is written as name: value and layer { ... }"
MERGE = "keep one of the two versions, and remove git's markers"
NETS = [
    # Names.
    (
        "layer c: Convolution(d) { kernel_sze: 3 }",
        [("1:27 unknown field 'kernel_sze' of Convolution", "did you mean kernel_size?")],
    ),
    (
        'layer { type: "Convolution" convolution_param { num_outputs: 3 } }',
        [("1:49 unknown field 'num_outputs' of convolution_param", "did you mean num_output?")],
    ),
    ("layer c: ReLU(d) { slope: 3 }", [("1:20 unknown field 'slope' of ReLU", "did you mean negative_slope?")]),
    ("layer c: ReLU(d) { zzz: 3 }", [("1:20 unknown field 'zzz' of ReLU", "there are negative_slope, engine")]),
    ("layer c: Silence(d) { zzz: 3 }", [("1:23 unknown field 'zzz' of Silence", "Silence has no settings of its own")]),
    ("layer c: Data { batchSize: 3 }", [("1:17 unknown field 'batchSize' of Data", "did you mean batch_size?")]),
    ("nmae: 'x'", [("1:1 unknown field 'nmae' of a network", "did you mean name?")]),
    ("layer c: Convolutoin(d) { a: 3 }", [("1:10 unknown layer type 'Convolutoin'", "did you mean Convolution?")]),
    ('layer { type: "Relu" }', [("1:15 unknown layer type 'Relu'", "did you mean ReLU?")]),
    ("defaults Poling { a: 1 }", [("1:10 unknown layer type 'Poling'", "did you mean Pooling?")]),
    ("layer p: Pooling(d) { pool: max }", [("1:29 pool has no value max", "did you mean MAX?")]),
    ("layer p: Pooling(d) { pool: MIN }", [("1:29 pool has no value MIN", "it is one of MAX, AVE, STOCHASTIC")]),
    ("layer p: Pooling(d) { pool: 7 }", [("1:29 pool has no value 7", "it is one of MAX, AVE, STOCHASTIC")]),
    # Known names in the wrong position.
    (
        'layer { name: "c" type: "Convolution" kernel_size: 3 }',
        [("1:39 unknown field 'kernel_size' of a layer", "it belongs in convolution_param { }")],
    ),
    (
        'layer { name: "c" kernel_size: 3 type: "Pooling" }',
        [("1:19 unknown field 'kernel_size' of a layer", "it belongs in pooling_param { }")],
    ),
    ("layer c: ReLU(d) { lr_mult: 3 }", [("1:20 unknown field 'lr_mult' of ReLU", "it belongs in param { }")]),
    (
        "layer c: ReLU(d) { num_output: 3 }",
        [
            (
                "1:20 unknown field 'num_output' of ReLU",
                "ReLU has no such setting; Convolution, ConvolutionDepthwise, Deconvolution, DepthwiseConvolution and others have",
            )
        ],
    ),
    (
        'layer { type: "Pooling" pooling_param { kernel_size: 3 top: "c" } }',
        [("1:56 unknown field 'top' of pooling_param", "it belongs one level up, in a layer: is a '}' missing before it?")],
    ),
    (
        "layer c: ReLU(d) { top: 'x' }",
        [("1:20 top belongs before the braces of a layer in one line", "write layer NAME: TYPE(bottoms) -> tops { ... }")],
    ),
    ("base_lr: 1", [("1:1 unknown field 'base_lr' of a network", "it belongs in a solver file")]),
    (
        "layer { type: 'ReLU' blobs_lr: 1 }",
        [("1:22 unknown field 'blobs_lr' of a layer", "the rate of a weight array is now param { lr_mult: ... }")],
    ),
    (
        "layer a: ReLU(x) { layer b: ReLU(a) }",
        [("1:20 a layer inside another layer", "layers stand side by side; is a '}' missing before this one?")],
    ),
    # Values.
    (
        "layer c: Convolution(d) { num_output: '96' }",
        [("1:39 num_output takes an integer, not '96'", "write num_output: 96, without quotes")],
    ),
    ("layer c: Convolution(d) { num_output: 9.5 }", [("1:39 num_output takes an integer, not 9.5", "")]),
    ("layer c: Convolution(d) { num_output: 1e3 }", [("1:39 num_output takes an integer, not 1e3", "write num_output: 1000")]),
    ("layer c: Convolution(d) { num_output: -1 }", [("1:39 num_output cannot be negative: -1", "")]),
    ("layer c: Convolution(d) { bias_term: no }", [("1:38 bias_term takes true or false, not no", "write bias_term: false")]),
    (
        "layer c: Convolution(d) { weight_filler: 'msra' }",
        [("1:42 weight_filler takes a block in braces", 'write weight_filler { type: "msra" }')],
    ),
    ("layer c: Input { shape: 3 }", [("1:25 shape takes a block in braces", "write shape { dim: 3 }")]),
    ("layer c: Pooling(d) { kernel_size: [1, 2] }", [("1:23 kernel_size takes one value, not a list", "")]),
    (
        "layer c: Convolution(d) { kernel_size: [[1], 2] }",
        [("1:41 kernel_size takes an integer, not a list within a list", "")],
    ),
    ("layer c: Convolution(d) { stride { } }", [("1:34 stride takes an integer, not a block", "")]),
    ("name: alexnet", [("1:7 name takes a string, not alexnet", 'write name: "alexnet"')]),
    ("layer { type: Convolution }", [("1:15 type takes a string, not Convolution", 'write type: "Convolution"')]),
    ("layer { type: INNER_PRODUCT }", [("1:15 type takes a string, not INNER_PRODUCT", 'write type: "InnerProduct"')]),
    (
        'layers { type: "ReLU" }',
        [('1:16 type has no value "ReLU"', 'write layer { type: "ReLU" ... }; layers, in the plural, is an older format')],
    ),
    (
        r'layer c: HDF5Data { source: "C:\data" }',
        [(r"1:32 \d is not an escape in a string", r"write \\ for a backslash, or / in a path")],
    ),
    # Fields too many, and too few.
    ("layer { name: 'x' }", [("1:1 layer x has no type", 'write type: "..."')]),
    ("layer c: Clip(d) { max: 1 }", [("1:7 Clip needs min", "")]),
    (
        "train layer a: ReLU(x) { include { phase: TEST } }",
        [("1:36 this rule asks for the other phase", "drop train or the phase")],
    ),
    ("test layer a: ReLU(x) { exclude { stage: 's' } }", [("1:25 a test layer cannot have exclude rules", "use include")]),
    (
        "defaults ReLU { } layers { type: RELU }",
        [("1:19 defaults do not hold for layers of the older format", "write layer { ... }")],
    ),
    # Sentences.
    (
        "layer c: Pooling(d) { kernel_size 3 stride: -1 }",
        [
            ("1:35 expected ':' after kernel_size, found '3'", "write kernel_size: 3"),
            ("1:45 stride cannot be negative: -1", ""),
        ],
    ),
    ("name = 'x'", [("1:6 '=' does not set a field", "write name: 'x'")]),
    ("layer c: Pooling(d) { kernel_size: stride: 2 }", [("1:23 kernel_size has no value", "write kernel_size: ...")]),
    ("layer c: Pooling(d) { kernel_size: }", [("1:23 kernel_size has no value", "write kernel_size: ...")]),
    ("layer c: Pooling(d) { kernel_size }", [("1:23 kernel_size has no value", "write kernel_size: ...")]),
    ("name:", [("1:1 name has no value", "write name: ...")]),
    ("name:: 'x'", [("1:6 a second ':'", "remove it")]),
    ("name: 'x' 3", [("1:11 expected the name of a field, found '3'", "a value needs a field's name and a colon before it")]),
    ("layer c: Convolution(d) { stride: [1 2] }", [("1:38 expected ',' or ']' after '1', found '2'", "")]),
    ("layer c: Convolution(d) { stride: [1,] }", [("1:38 expected a value, found ']'", "")]),
    ("[a.b]: 3", [("1:1 expected the name of a field, found '['", "extensions of other schemas are unknown")]),
    ("<<<<<<< HEAD\nname: 'x'\n=======\nname: 'y'\n>>>>>>> pod/device/blob.hpp\n", [("1:1 unresolved merge conflict", MERGE)]),
    ("name: 'x'\r\n=======\r\nforce_backward: true", [("2:1 unresolved merge conflict", MERGE)]),
    ("name: 'x'\n>>>>>>> pod/device/blob.hpp", [("2:1 unresolved merge conflict", MERGE)]),
    (
        "layer d: Input {\n<<<<<<< ours\nshape { dim: 1 }\n||||||| base\n=======\nshape { dim: 2 }\n>>>>>>> theirs\n}\nnam: 'y'",
        [("2:1 unresolved merge conflict", MERGE), ("9:1 unknown field 'nam' of a network", "did you mean name?")],
    ),
    ("name ======= 'x'", [("1:6 '=' does not set a field", "write name: ...")]),
    ("// AlexNet\nname: 'x'", [("1:1 unexpected '/'", "a comment starts with #, a string is in quotes")]),
    ("name: \u201cx\u201d", [("1:7 \u201c is not a quote of this language", 'write "')]),
    ("name: 'x' \x07", [("1:11 unexpected character U+0007 (control character)", "remove it")]),
    (
        '{"name": "x"}',
        [
            (
                "1:1 expected the name of a field, found '{'",
                "this looks like JSON; a network is a list of fields, without braces around it",
            )
        ],
    ),
    # Heads of layers.
    ("layer conv1 { num_output: 3 }", [("1:7 layer conv1 has no type", "write layer conv1: TYPE(...)")]),
    ("layer conv1: { num_output: 3 }", [("1:7 layer conv1 has no type", "write layer conv1: TYPE")]),
    ("layer: Convolution(d) { }", [("1:1 this layer has no name", "write layer NAME: Convolution(...)")]),
    (
        "layer c: ReLU data { }",
        [("1:15 unknown field 'data' of a network", "bottoms belong in parentheses: ReLU(data)")],
    ),
    ("layer c: ReLU(a b)", [("1:17 expected ',' or ')' after 'a', found 'b'", "")]),
    ("layer c: ReLU(a,)", [("1:17 expected a name after ',', found ')'", "")]),
    ("layer c: ReLU(a) ->\nlayer d: ReLU(c)", [("1:18 expected a name after '->'", "name the top of the layer")]),
    ("layer c: ReLU(a) > b", [("1:18 '>' closes nothing", "an arrow is written ->")]),
    (
        "layr c: ReLU(a)\nname: 3",
        [("1:1 unknown word 'layr' before c", "write layer c: ReLU"), ("2:7 name takes a string, not 3", 'write name: "3"')],
    ),
    ("train c: ReLU(a)", [("1:7 expected layer after train, found 'c'", "write train layer c: ReLU")]),
    ("layer", [("1:1 this layer has no name", "write layer NAME: TYPE(...)")]),
    ("train", [("1:1 train which layer?", "write train layer NAME: TYPE(...)")]),
    ("defaults", [("1:1 defaults of which type?", "write defaults TYPE { ... }")]),
    ("include", [("1:1 include which file?", 'write include "FILE"')]),
    ("remove", [("1:1 remove which layer?", "write remove layer NAME")]),
    ("remove layer", [("1:8 remove which layer?", "write remove layer NAME")]),
    ("bypass", [("1:1 bypass which layer?", "write bypass layer NAME")]),
    ("bypass test layer", [("1:13 bypass which layer?", "write bypass layer NAME")]),
    ("bypass norm1", [("1:8 expected layer after bypass, found 'norm1'", "write bypass layer norm1")]),
    ("- a: 1", [("1:1 expected the name of a field, found '-'", YAML), ("1:3 unknown field 'a' of a network", "")]),
    ("layer: 3", [("1:8 layer takes a block in braces", "write layer NAME: TYPE(bottoms) { ... }, or layer { ... }")]),
    ('layer "\\q": ReLU(x)', [("1:7 \\q is not an escape in a string", "write \\\\ for a backslash, or / in a path")]),
    ("layer a: ReLU(,)", [("1:15 expected the name of a bottom of layer a, found ','", "")]),
    ("layer a: ReLU(x) - y", [("1:18 unexpected '-'", "an arrow is written ->")]),
    ('layer a: LRN(x) { alpha: "0.5" }', [("1:26 alpha takes a number, not a string", "write alpha: 0.5, without quotes")]),
    ('layer a: Pooling(x) { pool: "MAX" }', [("1:29 pool takes a word, not a string", "write pool: MAX, without quotes")]),
    ("layer a: Pooling(x) { pad: 1 pooling_param: 3 }", [("1:30 pooling_param is given twice", "keep one of them")]),
    ("train layer: ReLU(x)", [("1:7 this layer has no name", "write layer NAME: TYPE(...)")]),
    ("conv1: Convolution(x) { }", [("1:1 expected layer before conv1", "write layer conv1: Convolution(...)")]),
    ("train: Convolution(x) { }", [("1:1 expected layer before train", "write layer train: Convolution(...)")]),
    ("name: 'x' layer: 'ReLU' -> y", [("1:11 this layer has no name", "write layer NAME: 'ReLU'")]),
    ("name: 'x' force_backward = true", [("1:26 '=' does not set a field", "write force_backward: true")]),
    ("train: layer a: ReLU(x)", [("1:6 a ':' before layer", "remove it")]),
    ("layer a = ReLU(x)", [("1:9 '=' does not set a field", "write layer a: ReLU")]),
    ("layer a: ReLU(x) => b", [("1:19 '>' closes nothing", "an arrow is written ->")]),
    (
        "layer a: ReLU(x) { } -> y",
        [("1:22 expected the name of a field, found '->'", "tops belong before the braces of a layer")],
    ),
    ("layer a: ReLU(x) -> y,\nlayer b: ReLU(y)", [("1:22 expected a name after ','", "")]),
    ("defaults Pooling stride: 2", [("1:10 defaults Pooling has no braces", "write defaults Pooling { ... }")]),
    ("defaults Pooling: { }", [("1:10 defaults Pooling has no braces", "write defaults Pooling { ... }")]),
    # Numbers.
    (
        "layer a: Dropout(x) { dropout_ratio: 0,5 }",
        [
            (
                "1:40 expected the name of a field, found '5'",
                "a number is written with a point, 0.5; several values are in [ ]",
            )
        ],
    ),
    ("layer a: ReLU(x) { negative_slope: - }", [("1:36 expected a number after '-', found '}'", "")]),
    ("state: TRAIN", [("1:8 state takes a block in braces", "write state { phase: TRAIN }")]),
    # Strings.
    (
        'name: "x\nlayer c: Relu(d)',
        [
            ('1:7 this string is not closed: it is opened here, with "', 'close it with "'),
            ("2:10 unknown layer type 'Relu'", "did you mean ReLU?"),
        ],
    ),
    ("layer { type: \"ReLU' }", [("1:15 this string is opened with \" and closed with '", 'close it with "')]),
    ('layer c: LRN(d) { k: 1 } "', [('1:26 this string is not closed: it is opened here, with "', "is one quote too many?")]),
]

SOLVERS = [
    ("lr: 0.1", [("1:1 unknown field 'lr' of a solver", "did you mean base_lr?")]),
    ("max_iter: 1e5", [("1:11 max_iter takes an integer, not 1e5", "write max_iter: 100000")]),
    ("solver_mode: gpu", [("1:14 solver_mode has no value gpu", "did you mean GPU?")]),
    ("lr_policy: step", [("1:12 lr_policy takes a string, not step", 'write lr_policy: "step"')]),
    (
        'layer { type: "ReLU" }',
        [("1:1 unknown field 'layer' of a solver", "this looks like a network; a solver file names it with net: ...")],
    ),
    ("layer a: ReLU(x)", [("1:1 a layer in a solver file", "layers belong in the network's own file; name it with net: ...")]),
]


@pytest.mark.parametrize(("text", "wanted"), NETS)
def test_network(text, wanted):
    assert fails(text) == wanted


@pytest.mark.parametrize(("text", "wanted"), SOLVERS)
def test_solver(text, wanted):
    assert fails(text, "SolverParameter") == wanted


def test_a_field_given_twice_notes_the_first():
    with pytest.raises(NetdefError) as caught:
        read_text('name: "a"\nname: "b"', "x.net", "NetParameter")
    assert str(caught.value) == (
        "x.net:2:1: error: name is given twice\n"
        '    2 | name: "b"\n'
        "      | ^^^^\n"
        "    keep one of them\n"
        "x.net:1:7: note: first given here\n"
        '    1 | name: "a"\n'
        "      |       ^^^"
    )


def test_all_errors_of_a_file_in_the_order_of_the_file():
    text = "\n".join(
        f"layer l{i}: Pooling(x) {{ " + ("kernel_sze: 3" if i % 3 == 0 else "stride 2" if i % 3 == 1 else "pool: ave") + " }"
        for i in range(30)
    )
    found = fails(text)
    assert [int(position.split(":")[0]) for position, _ in found] == list(range(1, 31))


def test_every_field_after_an_error_is_still_checked():
    assert [position for position, _ in fails("layer a: Pooling(x) {\n kernel_size 3\n strid: 2\n pad: -1\n}\nnmae: 1")] == [
        "2:14 expected ':' after kernel_size, found '3'",
        "3:2 unknown field 'strid' of Pooling",
        "4:7 pad cannot be negative: -1",
        "6:1 unknown field 'nmae' of a network",
    ]


# How a diagnostic looks.


def test_shown_with_the_line_and_a_caret():
    with pytest.raises(NetdefError) as caught:
        read_text("\tname: \t-1\n", "dir/x.net", "NetParameter")
    assert str(caught.value) == (
        "dir/x.net:1:9: error: name takes a string, not -1\n"
        "    1 |     name:     -1\n"
        "      |               ^^\n"
        '    write name: "-1"'
    )


def test_long_lines_are_cut_around_the_error():
    text = f'name: "{"x" * 500}" debug_info: maybe # {"y" * 500}'
    with pytest.raises(NetdefError) as caught:
        read_text(text, "x.net", "NetParameter")
    shown = str(caught.value).splitlines()
    assert max(len(line) for line in shown) < 130
    quoted, carets = next(pair for pair in pairwise(shown) if pair[1].endswith("^^^^^"))
    assert quoted[carets.index("^") :].startswith("maybe")


def test_many_errors_are_cut_short():
    text = "nmae: 1\n" * 1000
    with pytest.raises(NetdefError) as caught:
        read_text(text, "x.net", "NetParameter")
    assert len(caught.value.diagnostics) == 1000
    assert str(caught.value).endswith("and 960 more errors")


def test_a_diagnostic_without_a_source():
    error = NetdefError("no kernels", Position("a.net", 3, 4), "build them", [Note("asked for here")])
    assert str(error) == "a.net:3:4: error: no kernels\n    build them\nnote: asked for here"
    two = NetdefError([Diagnostic("b", Position("a", 2, 1)), Diagnostic("last"), Diagnostic("a", Position("a", 1, 9))])
    assert [one.message for one in two.diagnostics] == ["a", "b", "last"]
    assert str(NetdefError("plain")) == "error: plain"
