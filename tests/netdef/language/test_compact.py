"""The one-line form of a layer says the same as the long form."""

import pytest

from netdef.language import NetdefError, print_message, read_text


def net(text):
    return read_text(text, "x.net", "NetParameter")


PAIRS = [
    (
        "layer conv1: Convolution(data) { num_output: 96 kernel_size: 11 stride: 4 }",
        """layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
             convolution_param { num_output: 96 kernel_size: 11 stride: 4 } }""",
    ),
    ("layer relu1: ReLU(conv1) -> conv1", 'layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }'),
    (
        'train layer data: ImageData -> data, label { source: "builtin:photos" batch_size: 64 transform_param { crop_size: 227 } }',
        """layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
             image_data_param { source: "builtin:photos" batch_size: 64 } transform_param { crop_size: 227 } }""",
    ),
    (
        "test layer top5: Accuracy(fc8, label) { top_k: 5 }",
        """layer { name: "top5" type: "Accuracy" bottom: "fc8" bottom: "label" top: "top5" include { phase: TEST }
             accuracy_param { top_k: 5 } }""",
    ),
    (
        "layer loss: SoftmaxWithLoss(fc8, label) { axis: 2 ignore_label: 255 loss_weight: 0.5 }",
        """layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss" loss_weight: 0.5
             softmax_param { axis: 2 } loss_param { ignore_label: 255 } }""",
    ),
    (
        "layer x: Pooling(a) { kernel_size: 2 pooling_param { stride: 2 } }",
        'layer { name: "x" type: "Pooling" bottom: "a" top: "x" pooling_param { kernel_size: 2 stride: 2 } }',
    ),
    (
        "layer x: Pooling(a) { pooling_param { stride: 2 } kernel_size: 2 }",
        'layer { name: "x" type: "Pooling" bottom: "a" top: "x" pooling_param { kernel_size: 2 stride: 2 } }',
    ),
    (
        "layer p: Python(a) { module: 'm' layer: 'L' }",
        'layer { name: "p" type: "Python" bottom: "a" top: "p" python_param { module: "m" layer: "L" } }',
    ),
    ("layer s: Silence(a, b)", 'layer { name: "s" type: "Silence" bottom: "a" bottom: "b" }'),
    ("layer n: BNLL()", 'layer { name: "n" type: "BNLL" top: "n" }'),
    ('layer "my layer": "ReLU"("a b") -> "c,d"', 'layer { name: "my layer" type: "ReLU" bottom: "a b" top: "c,d" }'),
    (
        "layer inception_3a/3x3-reduce: ReLU(inception_3a/1x1, 12, 3.5.1, 1e5)->x.y",
        """layer { name: "inception_3a/3x3-reduce" type: "ReLU" bottom: "inception_3a/1x1" bottom: "12" bottom: "3.5.1"
             bottom: "1e5" top: "x.y" }""",
    ),
    ("layer a:ReLU(b)->c{negative_slope:.1}", 'layer { name:"a" type:"ReLU" bottom:"b" top:"c" relu_param{negative_slope:.1} }'),
    (
        'train layer a: ReLU(b) { include { stage: "x" } include { min_level: 1 } }',
        """layer { name: "a" type: "ReLU" bottom: "b" top: "a" include { phase: TRAIN stage: "x" }
             include { phase: TRAIN min_level: 1 } }""",
    ),
]


@pytest.mark.parametrize(("short", "long"), PAIRS)
def test_short_form_equals_long_form(short, long):
    assert net(short).message == net(long).message
    assert net(print_message(net(short).message)).message == net(long).message


def test_no_word_is_reserved():
    made = net(
        """layer layer: ReLU(train) -> test  layer train: ReLU(layer)
        train layer defaults: Python(name) { module: "layer" layer: "train" }; test layer test: TanH
        layer name: ReLU(defaults) -> layer, train, test, defaults
        defaults ReLU { negative_slope: 1 } name: "train" layer: { type: "ReLU" name: 'layer' }"""
    ).message
    assert [layer.name for layer in made.layer] == ["layer", "train", "defaults", "test", "name", "layer"]
    assert list(made.layer[4].top) == ["layer", "train", "test", "defaults"]
    assert made.layer[5].relu_param.negative_slope == 1


def test_both_forms_in_one_file():
    made = net("layer a: ReLU(x)\nlayer { name: 'b' type: 'ReLU' bottom: 'a' top: 'b' }\nlayer c: TanH(b)").message
    assert [layer.name for layer in made.layer] == ["a", "b", "c"]


# Defaults.


def test_defaults_hold_below_and_only_for_their_type():
    made = net(
        """layer a: Pooling(x) { kernel_size: 2 }
        defaults Pooling { pool: AVE kernel_size: 3 stride: 2 }
        layer b: Pooling(a)
        layer { name: "c" type: "Pooling" bottom: "b" top: "c" pooling_param { stride: 1 } }
        layer d: ReLU(c)"""
    ).message
    a, b, c, d = (layer.pooling_param for layer in made.layer)
    assert (a.kernel_size, a.HasField("pool"), a.stride) == (2, False, 1)
    assert (b.kernel_size, b.pool, b.stride) == (3, 1, 2)
    assert (c.kernel_size, c.pool, c.stride) == (3, 1, 1)
    assert not made.layer[3].HasField("pooling_param") and d.kernel_size == 0


def test_messages_merge_and_repeated_fields_replace():
    made = net(
        """defaults Convolution { weight_filler { type: "gaussian" std: 0.01 } stride: [2, 3]
          param { lr_mult: 1 } param { lr_mult: 2 } }
        layer a: Convolution(x) { weight_filler { std: 0.5 } }
        layer b: Convolution(x) { param { lr_mult: 7 } stride: 1 }
        layer c: Convolution(x) { param: [] }"""
    ).message
    a, b, c = made.layer
    assert (a.convolution_param.weight_filler.type, a.convolution_param.weight_filler.std) == ("gaussian", 0.5)
    assert [one.lr_mult for one in a.param] == [1, 2] and list(a.convolution_param.stride) == [2, 3]
    assert [one.lr_mult for one in b.param] == [7] and list(b.convolution_param.stride) == [1]
    assert list(c.param) == []


def test_later_defaults_merge_over_earlier_ones():
    made = net(
        """defaults Pooling { pool: AVE kernel_size: 3 }
        defaults Pooling { kernel_size: 5 stride: 2 }
        layer a: Pooling(x)"""
    ).message.layer[0]
    assert (made.pooling_param.pool, made.pooling_param.kernel_size, made.pooling_param.stride) == (1, 5, 2)


def test_defaults_do_not_leak():
    made = net("defaults ReLU { negative_slope: 1 } layer a: ReLU(x) { negative_slope: 2 } layer b: ReLU(a)").message
    assert [layer.relu_param.negative_slope for layer in made.layer] == [2, 1]
    solver = read_text(
        "train_net_param { defaults ReLU { negative_slope: 1 } layer a: ReLU(x) } test_net_param { layer a: ReLU(x) }",
        "s.txt",
        "SolverParameter",
    ).message
    assert solver.train_net_param.layer[0].relu_param.negative_slope == 1
    assert solver.test_net_param[0].layer[0].relu_param.negative_slope == 0


def test_invalid_fields_are_not_merged():
    text = "defaults Convolution { convolution_param { kernel_size: 3 } } layer a: Convolution(b) { convolution_param: 3 }"
    with pytest.raises(NetdefError, match="takes a block in braces"):
        net(text)


def test_defaults_can_complete_what_a_layer_needs():
    assert net("defaults Clip { min: 0 } layer a: Clip(x) { max: 1 }").message.layer[0].clip_param.min == 0
    with pytest.raises(NetdefError, match="Clip needs min"):
        net("layer a: Clip(x) { max: 1 }")
