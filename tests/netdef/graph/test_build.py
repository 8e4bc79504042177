"""Nets from text: phases, names, in place, loss weights, sharing of parameters."""

import time

import pytest

import netdef
from netdef import NetdefError
from netdef.language.printer import print_message
from netdef.layers import LAYERS
from netdef.schema import LAYER_TYPES

INPUT = "layer data: Input { shape { dim: 2 dim: 4 dim: 8 dim: 8 } }\n"


def errors(text, phase=None):
    """(line, message, hint) of every error of a net."""
    with pytest.raises(netdef.NetdefError) as caught:
        netdef.parse(text, "t.net", phase=phase)
    return [(d.position.line if d.position else None, d.message, d.hint) for d in caught.value.diagnostics]


def test_layers_after_a_wrong_number_of_param_are_checked():
    conv = "layer c: Convolution(data) { num_output: 4 kernel_size: 3 param { } param { } param { } }\n"
    after = "layer n: LRN(c) { local_size: 4 }\nlayer p: Pooling(c) { kernel_size: 7 }"
    assert [message for _, message, _ in errors(INPUT + conv + after)] == [
        "Convolution c has 2 parameters, param is given 3 times",
        "LRN n: local_size 4 must be odd, to be centred on a channel",
        "Pooling p: window 7 x 7 is larger than its input c, 6 x 6",
    ]


def test_every_type_has_a_class():
    assert set(LAYERS) == set(LAYER_TYPES)
    assert all(family.__doc__ for family in LAYERS.values())


def test_a_net():
    net = netdef.parse(
        'name: "n"\n' + INPUT + "layer conv: Convolution(data) { num_output: 4 kernel_size: 3 }\n"
        "layer relu: ReLU(conv) -> conv\nlayer fc: InnerProduct(conv) { num_output: 5 }\nlayer prob: Softmax(fc)",
        "t.net",
    )
    assert (net.name, net.phase, net.filename, net.force_backward) == ("n", "test", "t.net", False)
    assert [layer.name for layer in net.layers] == ["data", "conv", "relu", "fc", "prob"]
    assert [str(blob) for blob in net.inputs] == ["data"]
    assert [str(blob) for blob in net.outputs] == ["prob"]
    assert [str(p) for p in net.parameters] == ["conv/0", "conv/1", "fc/0", "fc/1"]
    assert net.totals.parameters == 4 * 4 * 9 + 4 + 5 * 144 + 5
    assert net.totals.macs == 4 * 6 * 6 * 36 + 5 * 144
    assert net.totals.activation_bytes == 4 * 2 * (256 + 144 + 5 + 5)
    conv = net.layer("conv")
    assert conv.p is conv.message.convolution_param or conv.p == conv.message.convolution_param
    assert (net.position("relu").line, net.position(conv).line) == (4, 3)
    assert conv.tops[0].producer is conv
    assert conv.tops[0].consumers == [net.layer("relu")]
    assert (conv.tops[0].count, conv.tops[0].bytes) == (288, 1152)


def test_in_place_layers_make_new_versions():
    net = netdef.parse(INPUT + "layer a: ReLU(data) -> data\nlayer b: Dropout(data) -> data\nlayer c: ReLU(data)")
    a, b, c = net.layers[1:]
    assert [str(layer.bottoms[0]) for layer in (a, b, c)] == ["data", "data@1", "data@2"]
    assert net.blobs["data"] is b.tops[0]
    assert net.blobs["data"].version == 2
    assert (a.in_place, c.in_place) == ((True,), (False,))
    assert a.activation_bytes == 0


def test_a_reader_before_an_in_place_layer_reads_the_earlier_version():
    net = netdef.parse(INPUT + "layer a: TanH(data)\nlayer b: ReLU(data) -> data\nlayer c: Eltwise(a, data)")
    assert [str(blob) for blob in net.layer("c").bottoms] == ["a", "data@1"]
    assert net.layer("a").bottoms[0].consumers == [net.layer("a"), net.layer("b")]


def test_a_blob_read_twice_by_one_layer_lists_it_twice():
    net = netdef.parse(INPUT + "layer square: Eltwise(data, data) { operation: PROD }")
    assert net.layer("data").tops[0].consumers == [net.layer("square")] * 2


def test_a_missing_layer_has_the_nearest_name_as_hint():
    net = netdef.parse(INPUT, "t.net")
    with pytest.raises(netdef.NetdefError, match=r"t.net has no layer 'dta' in phase test(.|\n)*did you mean data\?"):
        net.layer("dta")


def test_top_written_twice():
    text = INPUT + "layer a: ReLU(data) -> x\nlayer b: TanH(data) -> x"
    assert errors(text) == [(3, "blob x is written twice", "give this top its own name, or work in place (bottom = top)")]
    with pytest.raises(netdef.NetdefError, match=r"t\.net:2:24: note: layer a writes it first"):
        netdef.parse(text, "t.net")
    assert errors(INPUT + "layer s: Split(data) -> x, x")[0][:2] == (2, "blob x is written twice")
    assert errors(INPUT + "layer a: Eltwise(x, data) -> y, data")  # in place counts only at the bottom's own place


def test_layers_of_one_name():
    """As in Caffe; but their weights would be taken for each other's."""
    text = INPUT + "layer a: ReLU(data) -> x\nlayer a: TanH(data) -> y\nlayer a#2: TanH(data) -> z\nlayer a: TanH(x) -> u\n"
    net = netdef.parse(text.replace("a#2", '"a#2"'))
    assert [layer.name for layer in net.layers[1:]] == ["a", "a#2", "a#2#2", "a#3"]
    assert [layer.name for layer in netdef.parse(print_message(net.message)).layers] == [layer.name for layer in net.layers]
    weights = "layer {}: InnerProduct(data) -> v {{ num_output: 2 }}\n"
    said = "two layers are named b", "give each its own name: files of weights store them by it"
    assert errors(INPUT + weights.format("b") + "layer b: ReLU(v) -> v\n") == [(3, *said)]
    assert errors(INPUT + "layer b: ReLU(data) -> w\nlayer b: TanH(w) -> w\n" + weights.format("b")) == [(3, *said), (4, *said)]


def test_layers_of_one_name_may_have_one_array_each():
    layer = "layer ip: InnerProduct(data) -> {} {{ num_output: 2 param {{ name: 'w' }} param {{ name: '{}' }} }}\n"
    data = "layer data: Input { shape { dim: [1, 3] } }\n"
    net = netdef.parse(data + layer.format("x", "b") + layer.format("y", "b"))
    assert [one.name for one in net.layers] == ["data", "ip", "ip#2"]
    assert net.totals.parameters == 8
    with pytest.raises(NetdefError, match="two layers are named ip"):
        netdef.parse(data + layer.format("x", "b") + layer.format("y", "c"))


def test_a_layer_without_a_name_gets_one():
    layer = 'layer { type: "ReLU" bottom: "data" top: "x" } layer { type: "ReLU" bottom: "x" top: "y" }'
    assert [layer.name for layer in netdef.parse(INPUT + layer).layers] == ["data", "relu_1", "relu_2"]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("Accuracy(data)", "Accuracy op has 1 bottom; it takes 2"),
        ("ReLU(data, data)", "ReLU op has 2 bottoms; it takes 1"),
        ("ReLU(data) -> a, b", "ReLU op has 2 tops; it takes 1"),
        ("Eltwise(data)", "Eltwise op has 1 bottom; it takes 2 or more"),
        ("Input(data)", "Input op has 1 bottom; it takes none"),
        ("Pooling(data) -> a, b, c { kernel_size: 2 }", "Pooling op has 3 tops; it takes 1 or 2"),
        ("LSTM(data)", "LSTM op has 1 bottom; it takes 2 to 5"),
    ],
)
def test_counts_of_bottoms_and_tops(layer, said):
    assert [(line, message) for line, message, _ in errors(INPUT + f"layer op: {layer}")] == [(2, said)]


def test_one_error_is_reported_once():
    text = INPUT + (
        "layer conv: Convolution(data) { num_output: 4 kernel_size: 9 }\n"
        "layer relu: ReLU(conv) -> conv\n"
        "layer pool: Pooling(conv) { kernel_size: 2 }\n"
        "layer sum: Eltwise(pool, data)\n"
        "layer wrong: Accuracy(sum)"  # reported all the same: it does not follow from the first
    )
    assert [line for line, _, _ in errors(text)] == [2, 6]


def test_all_errors_are_reported_in_the_order_of_the_file():
    text = INPUT + "".join(f"layer l{i}: ReLU(missing{i})\n" for i in range(30))
    assert [line for line, _, _ in errors(text)] == list(range(2, 32))


def test_phases():
    text = INPUT + "train layer a: ReLU(data)\ntest layer b: TanH(data)\nlayer c: ReLU(data)"
    assert [layer.name for layer in netdef.parse(text).layers] == ["data", "b", "c"]
    assert [layer.name for layer in netdef.parse(text, phase="train").layers] == ["data", "a", "c"]
    assert [layer.name for layer in netdef.parse("state { phase: TRAIN }\n" + text).layers] == ["data", "a", "c"]
    net = netdef.parse("state { phase: TRAIN }\n" + text, phase="TEST")
    assert (net.phase, net.layer("c").phase) == ("test", "test")
    assert [layer.name for layer in net.message.layer] == ["data", "b", "c"]
    with pytest.raises(netdef.NetdefError, match="there is no phase 'tset'"):
        netdef.parse(text, phase="tset")


@pytest.mark.parametrize(
    ("rules", "state", "there"),
    [
        ("include { stage: 'a' }", "", False),
        ("include { stage: 'a' }", "stage: 'a'", True),
        ("include { stage: 'a' stage: 'b' }", "stage: 'a'", False),
        ("include { stage: 'a' } include { stage: 'b' }", "stage: 'b'", True),
        ("include { not_stage: 'a' }", "stage: 'a'", False),
        ("include { min_level: 2 }", "level: 1", False),
        ("include { min_level: 2 max_level: 3 }", "level: 3", True),
        ("include { max_level: 2 }", "level: 3", False),
        ("exclude { phase: TRAIN }", "", True),
        ("exclude { phase: TEST }", "", False),
        ("exclude { phase: TRAIN } exclude { stage: 'a' }", "stage: 'a'", False),
        ("include { phase: TEST min_level: 1 }", "", False),
    ],
)
def test_rules(rules, state, there):
    net = netdef.parse(f"state {{ {state} }}\n{INPUT}layer op: ReLU(data) {{ {rules} }}")
    assert ("op" in [layer.name for layer in net.layers]) == there


def test_include_and_exclude_together():
    ((line, message, _),) = errors(INPUT + "layer op: ReLU(data) { include { phase: TEST } exclude { phase: TRAIN } }")
    assert (line, message) == (2, "layer op has both include and exclude; give one of them")


def test_a_net_without_layers():
    assert errors('name: "x"') == [(None, "t.net has no layers", "")]
    assert errors("train layer data: Input { shape { dim: 1 } }") == [(None, "t.net has no layers in phase test", "")]


def test_loss_weight_and_propagate_down_are_given_for_all_or_none():
    assert errors(INPUT + "layer s: Slice(data) -> a, b { loss_weight: 1 }") == [
        (2, "Slice s has 2 tops, loss_weight is given once", "give it once for each top, or not at all")
    ]
    assert errors(INPUT + "layer s: Eltwise(data, data) { propagate_down: true }") == [
        (2, "Eltwise s has 2 bottoms, propagate_down is given once", "give it once for each bottom, or not at all")
    ]
    net = netdef.parse(INPUT + "layer s: Eltwise(data, data) { propagate_down: [true, false] }\nlayer t: ReLU(s)")
    assert net.layer("s").propagate_down == (True, False)
    assert net.layer("t").propagate_down == (None,)


def test_multipliers():
    text = INPUT + "layer a: InnerProduct(data) { num_output: 3 param { lr_mult: 2 } param { decay_mult: 0 } }"
    weights, biases = netdef.parse(text).parameters
    assert (weights.lr_mult, weights.decay_mult, biases.lr_mult, biases.decay_mult) == (2, 1, 1, 0)
    assert errors(INPUT + "layer a: ReLU(data) { param { lr_mult: 1 } }")[0][1] == ("ReLU a has no parameters, param is given once")
    three = "param { } " * 3
    assert errors(INPUT + f"layer a: InnerProduct(data) {{ num_output: 3 {three} }}")[0][1] == (
        "InnerProduct a has 2 parameters, param is given 3 times"
    )


def shared(a, b, sizes=(3, 3)):
    body = "layer {}: InnerProduct(data) {{ num_output: {} bias_term: false param {{ name: 'w' {} }} }}\n"
    return INPUT + body.format("a", sizes[0], a) + body.format("b", sizes[1], b)


def test_parameters_of_one_name_share_an_array():
    net = netdef.parse(shared("", "lr_mult: 2"))
    a, b = net.parameters
    assert b.owner is a
    assert (a.shared, b.shared, a.name, a.lr_mult, b.lr_mult) == (False, True, "w", 2, 2)
    assert net.totals.parameters == a.count == 3 * 256
    assert (net.layer("a").parameter_count, net.layer("b").parameter_count) == (768, 0)


def test_shared_parameters_that_do_not_fit():
    assert errors(shared("", "", (3, 4))) == [(3, "b/0 shares 'w' but differs in shape: 4 x 256", "")]
    assert errors(shared("lr_mult: 1", "lr_mult: 3")) == [
        (3, "b/0 shares 'w' with a/0: lr_mult 3 here, 1 there", "give it once, or the same")
    ]
    with pytest.raises(netdef.NetdefError, match=r"t\.net:2:62: note: a/0 is 3 x 256"):
        netdef.parse(shared("", "", (3, 4)), "t.net")


def test_permissive_sharing_needs_only_equal_sizes():
    layer = "layer {}: InnerProduct(data) {{ num_output: 3 bias_term: false transpose: {} param {{ name: 'w' {} }} }}\n"
    first = INPUT + layer.format("a", "false", "")
    a, b = netdef.parse(first + layer.format("b", "true", "share_mode: PERMISSIVE")).parameters
    assert (a.shape, b.shape, b.owner) == ((3, 256), (256, 3), a)
    ((_, message, hint),) = errors(first + layer.format("b", "true", ""))
    assert message == "b/0 shares 'w' but differs in shape: 256 x 3"
    assert hint == "share_mode: PERMISSIVE asks only for the same size"


@pytest.mark.filterwarnings("ignore::netdef.OldFormatWarning")
def test_inputs_of_the_net_itself():
    text = 'input: "a" input: "b" input_dim: [2, 3, 4, 5, 2, 1, 1, 1] layer r: ReLU(a)'
    net = netdef.parse(text)
    assert [(str(blob), blob.shape) for blob in net.inputs] == [("a", (2, 3, 4, 5)), ("b", (2, 1, 1, 1))]
    assert [str(blob) for blob in net.outputs] == ["b", "r"]
    net = netdef.parse('input: "a" input_shape { dim: 2 dim: 3 } layer r: ReLU(a)', batch_size=7)
    assert net.inputs[0].shape == (7, 3)
    assert [layer.type for layer in net.layers] == ["Input", "ReLU"]
    assert errors('input: "a" input_dim: [1, 2, 3] layer r: ReLU(a)')


def test_another_batch_size_for_a_built_net():
    from netdef.loading import with_batch_size

    net = netdef.parse(INPUT + "train layer a: ReLU(data)", "t.net", phase="train")
    larger = with_batch_size(net, 16)
    assert (larger.blobs["a"].shape, net.blobs["a"].shape) == ((16, 4, 8, 8), (2, 4, 8, 8))
    assert (larger.phase, larger.filename, larger.position("a").line) == ("train", "t.net", 2)


@pytest.mark.slow
def test_layers_take_time_in_proportion():
    def seconds(count):
        text = INPUT + "".join(
            f"layer c{i}: Convolution(c{i - 1}) {{ num_output: 4 kernel_size: 3 pad: 1 }}\n" if i else "layer c0: ReLU(data)\n"
            for i in range(count)
        )
        from netdef.graph.build import build
        from netdef.language import read_text

        bound = read_text(text, "t.net", "NetParameter")
        start = time.process_time()
        net = build(bound.message, bound.position, "t.net")
        assert net.totals.macs == (count - 1) * 4 * 64 * 36
        return time.process_time() - start

    assert seconds(5000) < 40 * max(seconds(500), 0.005)


def test_errors_of_text_and_graph_are_reported_together():
    text = INPUT + (
        "layer conv: Convolution(data) { num_output: 4 kernel_sze: 3 }\n"  # the text's
        "layer pool: Pooling(conv) { kernel_size: 2 }\n"
        "layer large: Convolution(data) { num_output: 4 kernel_size: 33 }\n"  # the graph's
        "layer odd: Poolin(pool)\n"
        "layer relu: ReLU(odd)\n"
        "layer loss: SoftmaxWithLoss(relu, lable)\n"
    )
    assert [(line, message.split(":")[0]) for line, message, _ in errors(text)] == [
        (2, "unknown field 'kernel_sze' of Convolution"),
        (4, "Convolution large"),
        (5, "unknown layer type 'Poolin'"),
        (7, "layer loss reads blob lable, which no layer makes"),
    ]
    in_defaults = "defaults Convolution { kernel_sze: 3 }\n" + INPUT + "layer conv: Convolution(data) { num_output: 4 }"
    assert [line for line, _, _ in errors(in_defaults)] == [1]  # what follows from defaults is not reported
    older = 'input: "data" input_dim: [1, 2, 3, 4] layers { name: "a" type: RELU bottom: "data" topp: "a" }'
    assert [line for line, _, _ in errors(older)] == [1]
    nameless = INPUT + 'layer { name: "a" type: "ReLU" bottom: "data" topp: "a" }\nlayer b: ReLU(a)'
    assert [line for line, _, _ in errors(nameless)] == [2]
