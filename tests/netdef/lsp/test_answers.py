"""What an editor gets when it asks, over stdio. | is the cursor in a piece of the text."""

import pytest
from lsprotocol import types

from netdef.explain import explain
from netdef.fmt.form import formatted
from netdef.language.find import model_names, models_folder
from netdef.layers import LAYERS
from netdef.lsp.hover import WIDTH
from tests.netdef.lsp.editor import applied

NET = """# é 🐍
train layer data: DummyData -> data, label { shape { dim: [32, 3, 8, 8] } shape { dim: [32] } }
test layer data: DummyData -> data, label { shape { dim: [50, 3, 8, 8] } shape { dim: [50] } }
defaults Pooling { pool: MAX kernel_size: 2 stride: 2 }
layer conv1: Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
layer relu1: ReLU(conv1) -> conv1
layer drop1: Dropout(conv1) -> conv1
layer "pool 🐍": Pooling(conv1) -> '🐍'
layer fc: InnerProduct('🐍') { num_output: 10 weight_filler { std: 1 type: "gaussian" } }
layer {
  name: "loss" type: "SoftmaxWithLoss"
  bottom: "fc"
  bottom: "label"
  loss_param { normalization: VALID }
}
"""


@pytest.fixture(scope="module")
def net(editor):
    """The same text for all questions."""
    assert editor.open("net.net", NET) == ()
    return editor


# Hover.


def devices():
    from runtime.ops.registry import devices_by_type

    return devices_by_type()


@pytest.mark.parametrize(
    ("marked", "topic"),
    [
        ("conv1: Con|volution", "Convolution"),
        ("conv1: |Convolution", "Convolution"),
        ("defaults Pool|ing", "Pooling"),
        ('type: "Softmax|WithLoss', "SoftmaxWithLoss"),
        ("num_out|put: 4", "Convolution.num_output"),
        ("weight_fil|ler { type", "Convolution.weight_filler"),
        ('{ ty|pe: "xavier"', "Convolution.weight_filler.type"),
        ('"xav|ier"', "Convolution.weight_filler.type"),
        ("loss_pa|ram {", "layer.loss_param"),
        ("normali|zation", "layer.loss_param.normalization"),
        ("{ po|ol: MAX", "Pooling.pool"),
        ('bot|tom: "fc"', "layer.bottom"),
    ],
)
def test_hover_explains(net, marked, topic):
    text = explain(topic, devices() if "." not in topic else None, WIDTH)
    assert net.hover("net.net", marked) == f"```text\n{text}\n```"


def test_hover_over_a_word_of_an_enum(net):
    assert net.hover("net.net", "pool: MA|X").startswith("```text\nMAX: the largest\n\nPooling.pool: word, MAX by default")
    assert net.hover("net.net", "VAL|ID").startswith("```text\nVALID: ")


def test_hover_over_a_common_field_of_an_unknown_type(editor):
    editor.open("message.net", "layer a: Convulsion(x) { loss_weight: 1 }\n")
    assert editor.hover("message.net", "{ loss_w|eight") == f"```text\n{explain('LayerParameter.loss_weight', width=WIDTH)}\n```"


def test_hover_over_a_layer(net):
    assert (
        net.hover("net.net", "layer con|v1:")
        == """```text
train phase
layer conv1: Convolution
  reads   data  32 x 3 x 8 x 8
  makes   conv1  32 x 4 x 6 x 6, 18.0 KiB
  learns  4 x 3 x 3 x 3 + 4: 112 parameters
  costs   3.89 k MACs an image

test phase
layer conv1: Convolution
  reads   data  50 x 3 x 8 x 8
  makes   conv1  50 x 4 x 6 x 6, 28.1 KiB
  learns  4 x 3 x 3 x 3 + 4: 112 parameters
  costs   3.89 k MACs an image
```"""
    )
    assert "in place" in net.hover("net.net", "layer re|lu1")
    assert "reads   fc  32 x 10" in net.hover("net.net", 'name: "lo|ss"')


def test_hover_over_a_blob(net):
    found = net.hover("net.net", "Dropout(con|v1)")
    assert "train phase\nblob conv1  32 x 4 x 6 x 6, 18.0 KiB\n  made by  relu1 (ReLU)\n  read by  drop1 (Dropout)" in found
    found = net.hover("net.net", "-> '|🐍'")
    assert "blob 🐍  50 x 4 x 3 x 3, 7.03 KiB\n  made by  pool 🐍 (Pooling)\n  read by  fc (InnerProduct)" in found
    assert "made by  data (DummyData)" in net.hover("net.net", 'bottom: "lab|el"')


def test_hover_over_a_blob_of_a_bypassed_layer(editor):
    head = "layer data: Input { shape { dim: [2, 3, 8, 8] } }\nlayer norm: LRN(data)\n"
    (editor.folder / "normed.net").write_text(f"{head}layer fc: InnerProduct(norm) {{ num_output: 2 }}\n")
    editor.open("plain.net", 'include "normed.net"\nlayer fc: InnerProduct(norm) { num_output: 3 }\nbypass layer norm\n')
    found = editor.hover("plain.net", "InnerProduct(no|rm)")
    assert "norm is bypassed: fc reads data instead\nblob data  2 x 3 x 8 x 8" in found
    braces = 'layer { name: "a{b}" type: "ReLU" bottom: "norm" top: "{}" }'
    editor.open("braces.net", f"{head}{braces}\nbypass layer norm\n")
    assert "norm is bypassed: a{b} reads data instead\nblob data" in editor.hover("braces.net", 'bottom: "no|rm"')


IN_PLACE = ("layer relu: ReLU({0}) -> {0}", 'layer {{\n name: "relu" type: "ReLU"\n bottom: "{0}" top: "{0}"\n}}')


@pytest.mark.parametrize("form", IN_PLACE)
def test_hover_over_layers_of_one_name(editor, form):
    lines = ["layer data: Input { shape { dim: [2, 3, 8, 8] } }", form.format("data")]
    lines += ["layer pool: Pooling(data) { kernel_size: 2 stride: 2 }", form.format("pool")]
    editor.open("one_name.net", "\n".join(lines))
    first, second = form.format("data"), form.format("pool")
    marked = [text.replace("relu", "re|lu") for text in (first, second)]
    assert "layer relu: ReLU\n  reads   data" in editor.hover("one_name.net", marked[0])
    assert "layer relu#2: ReLU\n  reads   pool" in editor.hover("one_name.net", marked[1])
    found = editor.hover("one_name.net", second.replace("pool", "po|ol", 1))
    assert "blob pool  2 x 3 x 4 x 4" in found and "made by  pool (Pooling)\n  read by  relu#2 (ReLU)" in found


@pytest.mark.parametrize("marked", ["# |é 🐍", "lay|er fc", "def|aults", ") -|> conv1\nlayer drop1", "fc:| InnerProduct", "\n|}\n"])
def test_hover_without_an_answer(net, marked):
    assert net.hover("net.net", marked) is None


def test_hover_shows_no_facts_of_an_older_text(editor):
    editor.open("hover.net", NET)
    editor.change("hover.net", NET.replace("num_output: 4", "num_output: 6"))
    assert "32 x 6 x 6 x 6" in editor.hover("hover.net", "layer con|v1:")
    editor.change("hover.net", NET.replace("Dropout(conv1)", "Dropout(conv9)"))
    assert editor.hover("hover.net", "layer con|v1:") is None  # there is no graph
    assert "Convolution.pad" not in editor.hover("hover.net", "conv1: Conv|olution")


def test_hover_in_a_solver_and_in_plain_text(plain_editor):
    plain_editor.open("solver.prototxt", 'lr_policy: "step"\nbase_lr: 0.1\n')
    assert plain_editor.hover("solver.prototxt", "lr_po|licy") == explain("solver.lr_policy", width=WIDTH)


# Completion.


def proposals(editor, text, name="complete.net"):
    """The completions at | in a text."""
    before, after = text.split("|")
    editor.open(name, before + after)
    return editor.labels(name, text)


def test_types(editor):
    for text in ("layer x: |", "layer x: Con|\n", "defaults |", 'layer { type: "|', "layer { type: '|' }"):
        found = proposals(editor, NET + text)
        assert {"Convolution", "ReLU", "SoftmaxWithLoss"} <= set(found)
        assert len(found) == len(LAYERS)


def test_fields_of_a_layer_in_one_line(editor):
    found = proposals(editor, "layer x: Pooling(a) { kernel_size: 2 | }")
    assert found[:3] == ["pool", "pad", "pad_h"]
    assert {"param", "loss_weight", "include", "transform_param"} <= set(found)
    assert not {"kernel_size", "name", "bottom", "num_output", "pooling_param", "phase", "blobs"} & set(found)
    assert proposals(editor, "defaults LRN { | }")[:2] == ["local_size", "alpha"]
    assert proposals(editor, "layer x: Pooling(a) { kernel_size: 2 ker| }")[0] == "pool"
    assert "num_output" not in proposals(editor, "layer x: NoSuchType(a) { | }")


def test_fields_of_caffes_form(editor):
    found = proposals(editor, 'layer {\n  name: "x"\n  type: "Pooling"\n  |\n}\n')
    assert found[:2] == ["bottom", "top"]
    assert "pooling_param" in found and "convolution_param" not in found and "name" not in found
    assert "convolution_param" in proposals(editor, "layer {\n  |\n}\n")
    found = proposals(editor, 'layer {\n  type: "Pooling"\n  pooling_param {\n    pool: MAX\n    |')
    assert "kernel_size" in found and "pool" not in found and "lr_mult" not in found
    assert proposals(editor, "layer x: Convolution(a) { weight_filler { | } }")[:2] == ["type", "value"]
    assert "lr_mult" in proposals(editor, "layer { param { lr_mult: 1 } param { |")


def test_statements(editor):
    found = proposals(editor, 'name: "x"\n|')
    assert found[:7] == ["layer", "train layer", "test layer", "defaults", "include", "remove layer", "bypass layer"]
    assert "state" in found and "name" not in found
    assert not {"layers", "input", "input_dim", "input_shape"} & set(found)  # of older formats


def test_fields_and_words_of_a_solver(editor):
    found = proposals(editor, "base_lr: 0.1\n|\n", "solver.prototxt")
    assert {"net", "lr_policy", "momentum"} <= set(found)
    assert not {"base_lr", "layer", "solver_type"} & set(found)
    found = proposals(editor, 'base_lr: 0.1\nlr_policy: "|"\n', "solver.prototxt")
    assert {"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid", "plateau"} <= set(found)
    assert "Nesterov" in proposals(editor, "base_lr: 0.1\ntype: |", "solver.prototxt")
    assert proposals(editor, "base_lr: 0.1\nsolver_mode: |", "solver.prototxt") == ["CPU", "GPU"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("layer x: Pooling(a) { pool: | }", ["MAX", "AVE", "STOCHASTIC"]),
        ("layer x: Pooling(a) { pool: M| stride: 2 }", ["MAX", "AVE", "STOCHASTIC"]),
        ("layer x: Convolution(a) { bias_term: |", ["true", "false"]),
        ("layer { include { phase: |", ["TRAIN", "TEST"]),
        ("layer x: Convolution(a) { num_output: |", []),
        ("layer x: Convolution(a) |", []),
        ("layer |", []),
    ],
)
def test_values(editor, text, labels):
    assert proposals(editor, text) == labels


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("layer x: Scale(a) { filler { | } }", "1"),
        ("layer x: Scale(a) { bias_filler { | } }", "0"),
        ('layer { type: "PReLU" prelu_param { filler { | } } }', "0.25"),
        ("layer x: Convolution(a) { weight_filler { | } }", "0"),
    ],
)
def test_what_a_filler_starts_with_by_default(net, text, default):
    net.open("fillers.net", text.replace("|", ""))
    items = {item.label: item.detail for item in net.complete("fillers.net", text).items}
    assert items["value"] == f"number, {default} by default"


def test_filler_types_are_proposed(editor):
    from runtime.ops.random_fill.fillers import FILLERS

    found = proposals(editor, 'layer x: Convolution(a) { weight_filler { type: "|" } }')
    assert set(found) == set(FILLERS)


@pytest.mark.parametrize(
    "text",
    ["layer x: Eltwise(|", "layer x: Eltwise(|)", "layer x: Eltwise(fc, |)", 'layer {\n  bottom: "|"\n}', "layer { bottom: '|"],
)
def test_blobs_nearest_first(editor, text):
    assert proposals(editor, NET + text + "\n") == ["fc", "🐍", "conv1", "label", "data"]


def test_a_blob_comes_with_its_layer_and_shape(net):
    net.open("blobs.net", NET + "layer x: ReLU()\n")
    (item,) = [item for item in net.complete("blobs.net", "layer x: ReLU(|)").items if item.label == "data"]
    assert item.detail == "DummyData data"  # no graph: the text is not finished
    net.change("blobs.net", NET + "layer x: ReLU(fc)\n")
    (item,) = [item for item in net.complete("blobs.net", "layer x: ReLU(f|c)").items if item.label == "fc"]
    assert item.detail == "InnerProduct fc  50 x 10"


def test_tops_work_in_place(editor):
    assert proposals(editor, NET + "layer x: Eltwise(fc, conv1) -> |") == ["fc", "conv1"]
    assert proposals(editor, NET + "train layer x: ReLU(fc) -> |") == ["fc"]
    assert proposals(editor, NET + 'layer {\n  bottom: "fc"\n  top: "|"\n}') == ["fc"]


def test_files_and_removed_layers(editor):
    (editor.folder / "beside.prototxt").write_text("")
    found = proposals(editor, 'include "|"\n')
    assert {f"{name}.net" for name in model_names()} | {"beside.prototxt"} <= set(found)
    assert "complete.net" not in found
    found = proposals(editor, 'include "lenet.net"\nlayer own: ReLU(ip1)\nremove layer |')
    assert "conv1" in found and "own" not in found


@pytest.mark.parametrize(
    ("text", "label", "after"),
    [
        ("layer x: Con|", "Convolution", "layer x: Convolution"),
        ("layer x: Con|v(a)", "Convolution", "layer x: Convolution(a)"),
        ("layer x:|", "ReLU", "layer x: ReLU"),
        ('layer { type: "|" }', "ReLU", 'layer { type: "ReLU" }'),
        ("layer { type: | }", "ReLU", 'layer { type: "ReLU" }'),
        ('layer { type: "Re| bottom: "x" }', "ReLU", 'layer { type: "ReLU bottom: "x" }'),
        ("layer x: Pooling(a) { st| }", "stride", "layer x: Pooling(a) { stride:  }"),
        ("layer x: Pooling(a) { st|: 2 }", "stride", "layer x: Pooling(a) { stride: 2 }"),
        ("layer x: Convolution(a) { wei| }", "weight_filler", "layer x: Convolution(a) { weight_filler }"),
        ("layer x: Pooling(a) { pool:| }", "AVE", "layer x: Pooling(a) { pool: AVE }"),
        ("include al|", "alexnet.net", 'include "alexnet.net"'),
    ],
)
def test_what_is_inserted(editor, text, label, after):
    before, rest = text.split("|")
    editor.open("insert.net", before + rest)
    (item,) = [item for item in editor.complete("insert.net", text).items if item.label == label]
    assert item.insert_text_format in (None, types.InsertTextFormat.PlainText)
    assert applied(before + rest, [item.text_edit]) == after


def test_a_space_offers_values_but_no_fields(editor):
    editor.open("space.net", "layer x: Pooling(a) { pool: \n")
    assert editor.complete("space.net", "pool: |\n", trigger=" ").items
    editor.open("space2.net", "layer x: Pooling(a) { stride: 2 \n")
    assert editor.complete("space2.net", "stride: 2 |\n", trigger=" ") is None
    assert editor.complete("space2.net", "stride: 2 |\n").items


def test_no_words_in_comments(editor):
    assert proposals(editor, "# layer x: |") is None


# Going about.


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("Convolution(|data)", [("net.net", 2, 13), ("net.net", 3, 12)]),
        ("ReLU(conv|1)", [("net.net", 5, 7)]),
        ("Dropout(c|onv1)", [("net.net", 6, 7)]),
        ("Pooling(co|nv1)", [("net.net", 7, 7)]),
        ("InnerProduct('|🐍')", [("net.net", 8, 8)]),
        ('bottom: "f|c"', [("net.net", 9, 7)]),
        ("-> c|onv1\nlayer drop1", [("net.net", 6, 7)]),
        ("layer f|c:", [("net.net", 9, 7)]),
        ("num_out|put: 10", []),
    ],
)
def test_the_layer_that_makes_a_blob(net, marked, expected):
    assert net.definition("net.net", marked) == expected


def test_definitions_in_included_files(editor):
    (editor.folder / "inner.net").write_text("layer a: ReLU(x)\nlayer b: ReLU(a)\nlayer c: ReLU(b)\n")
    text = 'include "inner.net"\nremove layer c\nlayer b: TanH(a)\nlayer d: ReLU(b)\ninclude "lenet.net"\n'
    editor.open("outer.net", text)
    assert editor.definition("outer.net", 'include "inn|er') == [("inner.net", 1, 1)]
    assert editor.definition("outer.net", 'include "len|et') == [("lenet.net", 1, 1)]
    assert editor.definition("outer.net", "remove layer |c") == [("inner.net", 3, 7)]
    assert editor.definition("outer.net", "layer |b:") == [("inner.net", 2, 7)]
    assert editor.definition("outer.net", "TanH(|a)") == [("inner.net", 1, 7)]
    assert editor.definition("outer.net", "ReLU(|b)") == [("outer.net", 3, 7)]
    editor.open("inner.net", "# not saved\nlayer a: ReLU(x)\nlayer b: ReLU(a)\nlayer c: ReLU(b)\n")
    assert editor.definition("outer.net", "TanH(|a)") == [("inner.net", 2, 7)]
    editor.open("solver.txt", 'net: "inner.net"\nbase_lr: 1\n')
    assert editor.definition("solver.txt", 'net: "in|ner') == [("inner.net", 1, 1)]


def test_definitions_where_a_layer_is_bypassed(editor):
    layers = ("a: ReLU(x)", "b: ReLU(a)", "c: ReLU(b)", "b: TanH(c)", "z: ReLU(b)")
    (editor.folder / "base.net").write_text("".join(f"layer {one}\n" for one in layers))
    editor.open("variant.net", 'include "base.net"\nlayer d: ReLU(c)\nbypass layer c\nlayer e: ReLU(b)\n')
    assert editor.definition("variant.net", "bypass layer |c") == [("base.net", 3, 7)]
    assert editor.definition("variant.net", "ReLU(|c)") == [("base.net", 4, 7)]
    readers = [("base.net", 4, 15), ("base.net", 5, 15), ("variant.net", 2, 15), ("variant.net", 4, 15)]
    assert sorted(editor.references("variant.net", "ReLU(|c)")) == readers


def test_a_layer_replaces_those_of_its_phase(editor):
    (editor.folder / "phases.net").write_text("train layer a: ReLU(x)\ntest layer a: ReLU(x)\n")
    editor.open("after.net", 'include "phases.net"\ntest layer a: TanH(x)\nlayer b: ReLU(a)\nlayer b: TanH(a)\n')
    assert editor.definition("after.net", "test layer |a") == [("phases.net", 2, 12)]
    assert editor.definition("after.net", "layer |b: TanH") == [("after.net", 4, 7)]


def test_references_of_a_blob(net):
    readers = [("net.net", 6, 19), ("net.net", 7, 22), ("net.net", 8, 26)]
    assert net.references("net.net", "ReLU(con|v1)") == readers
    assert net.references("net.net", "layer con|v1:") == readers
    makers = [("net.net", 5, 7), ("net.net", 6, 29), ("net.net", 7, 32)]
    assert sorted(net.references("net.net", "Dropout(con|v1)", declaration=True)) == sorted(readers + makers)
    assert net.references("net.net", 'type: "xav|ier"') == []


def test_outline(net):
    found = net.symbols("net.net")
    listed = [(one.name, one.detail) for one in found]
    assert listed[:3] == [("data", "DummyData, train"), ("data", "DummyData, test"), ("Pooling", "defaults")]
    assert [one.name for one in found][-3:] == ["pool 🐍", "fc", "loss"]
    loss = found[-1]
    assert (loss.range.start.line, loss.range.end.line, loss.selection_range.start.line) == (9, 14, 10)


@pytest.mark.parametrize("name", ["fmt.net", "fmt.prototxt"])
def test_formatting(editor, name):
    text = "# what for\nlayer  a:Input{shape{dim:1 dim:3}}\n\n\n\nlayer b :ReLU( a ){ }\n# the end"
    editor.open(name, text)
    edits = editor.format(name)
    assert applied(text, edits) == formatted(text, name) != text
    editor.change(name, formatted(text, name))
    assert list(editor.format(name)) == []


def test_formatting_touches_only_what_changes(editor):
    text = "layer a: Input { shape { dim: 1 } }\nlayer b:ReLU(a)\nlayer c: ReLU(b)\n"
    editor.open("small.net", text)
    (edit,) = editor.format("small.net")
    assert (edit.range.start.line, edit.range.end.line, edit.new_text) == (1, 2, "layer b: ReLU(a)\n")


def test_texts_with_errors_are_not_formatted(editor):
    editor.open("bad.net", "layer a: ReLU(")
    assert editor.format("bad.net") is None


def test_closed_documents_have_no_answers(editor):
    editor.texts["closed.net"] = "layer a: ReLU(b)\n"
    assert editor.hover("closed.net", "layer |a") is None
    assert editor.symbols("closed.net") is None
    assert editor.format("closed.net") is None


def test_alexnet(editor):
    text = (models_folder() / "alexnet.net").read_text()
    editor.open("alexnet.net", text)
    relu1 = text[: text.index("layer relu1")].count("\n") + 1
    assert editor.definition("alexnet.net", "LRN(con|v1)") == [("alexnet.net", relu1, 7)]
    assert "307,456 parameters" in editor.hover("alexnet.net", "layer con|v2:")
