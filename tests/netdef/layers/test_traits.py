"""What layer types declare about themselves holds together, and the words are those that its readers know."""

from __future__ import annotations

import pytest

import netdef
from netdef import schema
from netdef.cli.predict import scores_of
from netdef.draw import theme
from netdef.graph.layer import KINDS
from netdef.layers import LAYERS
from netdef.schema import NO_TOPS, layer_fields

EVERY = pytest.mark.parametrize("name", sorted(LAYERS))


def declared(text: str) -> netdef.Net:
    return netdef.parse(f"layer data: Input {{ shape {{ dim: [2, 4, 6, 6] }} }}\n{text}")


@EVERY
def test_kind_has_a_colour(name):
    assert LAYERS[name].kind in KINDS
    assert LAYERS[name].kind in theme.KINDS


@EVERY
def test_sources_and_losses_are_of_that_kind(name):
    family = LAYERS[name]
    assert family.is_source == (family.kind == "source")
    assert family.is_loss == (family.kind == "loss")


@EVERY
def test_no_tops_agrees_with_the_schema(name):
    assert (LAYERS[name].tops_allowed[1] == 0) == (name in NO_TOPS)


@EVERY
def test_bottoms_without_gradient_exist(name):
    most = LAYERS[name].bottoms_allowed[1]
    assert all(index == -1 or most is None or index < most for index in LAYERS[name].no_gradient_to)


@EVERY
def test_activation_of_a_loss_is_a_type(name):
    family = LAYERS[name]
    assert not family.activation or (family.is_loss and family.activation in LAYERS)


@pytest.mark.parametrize(
    ("settings", "reads"),
    [
        ("power: 1", set()),
        ("power: 0", set()),
        ("power: 3 scale: 0", set()),
        ("power: 2", {"bottom"}),
        ("power: 3", {"bottom", "top"}),
    ],
)
def test_backward_of_power_reads_what_its_exponent_asks_for(settings, reads):
    net = declared(f"layer power: Power(data) {{ {settings} }}")
    assert net.layer("power").backward_reads == reads


@pytest.mark.parametrize(
    ("settings", "reads"),
    [("operation: SUM", set()), ("operation: PROD", {"bottom"}), ("operation: PROD stable_prod_grad: false", {"bottom", "top"})],
)
def test_backward_of_eltwise_reads_factors(settings, reads):
    net = declared(f"layer twice: Eltwise(data, data) {{ {settings} }}")
    assert net.layer("twice").backward_reads == reads


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Convolution(data) { num_output: 4 kernel_size: 3 }", ("3 x 3", "")),
        ("Convolution(data) { num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 2 }", ("3 x 3, 2 groups", "stride 2, pad 1")),
        ("Convolution(data) { num_output: 4 kernel_h: 3 kernel_w: 1 pad_h: 1 }", ("3 x 1", "pad 1 x 0")),
        ("Pooling(data) { pool: MAX kernel_size: 2 stride: 2 }", ("max 2 x 2", "stride 2")),
        ("Pooling(data) { pool: AVE global_pooling: true }", ("mean of all", "")),
        ("LRN(data) { local_size: 5 group: 2 }", ("5 channels, 2 groups", "")),
        ("LRN(data) { local_size: 3 norm_region: WITHIN_CHANNEL }", ("3 x 3 within", "")),
        ("Dropout(data) { dropout_ratio: 0.4 }", ("40% off", "")),
        ("ReLU(data)", ("", "")),
    ],
)
def test_window_in_words(text, words):
    assert declared(f"layer it: {text}").layer("it").window_text == words


def test_the_last_bottom_without_gradient_is_counted_from_the_end():
    net = declared(
        "layer labels: Input { shape { dim: 2 } }\nlayer pick: Filter(data, labels, labels) -> data2, labels2\n"
        "layer loss: EuclideanLoss(data, data)\nlayer flat: Flatten(data)\nlayer top: Accuracy(flat, labels)"
    )
    found = {layer.name: layer.gradient_bottoms for layer in net.layers}
    assert found == {"data": (), "labels": (), "pick": (0, 1), "loss": (0, 1), "flat": (0,), "top": ()}


@EVERY
def test_the_field_of_a_layer_that_is_idle_without_it_is_its_own(name):
    family = LAYERS[name]
    own = layer_fields(name)
    assert not family.idle_unless or family.idle_unless in schema.descriptor_of(_message(own[0])).fields_by_name


def _message(field):
    return schema.descriptor_of("LayerParameter").fields_by_name[field].message_type.name


def test_functions_that_cut_off_at_zero():
    texts = {
        "ReLU": True, "ReLU { negative_slope: 0.1 }": False, "ReLU6": True, "Clip { min: 0 max: 2 }": True,
        "Clip { min: -1 max: 2 }": False, "ELU": False, "Log": False, "Power { power: 0.5 }": False, "Power { scale: 0 }": False,
        "Power { power: -1 shift: 1 }": False, "Threshold": True, "Softmax": False,
    }  # fmt: skip
    for text, expected in texts.items():
        kind, _, settings = text.partition(" ")
        assert declared(f"layer x: {kind}(data) {settings}").layer("x").cuts_off_at_zero is expected, text


def test_what_adds_up():
    for operation, expected in {"": True, "{ operation: PROD }": False, "{ operation: MAX }": False}.items():
        assert declared(f"layer x: Eltwise(data, data) {operation}").layer("x").adds_up is expected


def test_numbers_that_pick_rows_are_no_labels():
    net = declared("layer e: Embed(data) { num_output: 3 input_dim: 9 }\nlayer fc: InnerProduct(e) { num_output: 5 }")
    assert not net.layer("e").reads_labels
    assert scores_of(net)[0].name == "fc"


def test_a_softmax_over_another_axis_gives_no_classes():
    """As in SSD, whose boxes each have probabilities."""
    text = "layer data: Input { shape { dim: [2, 8, 3] } }\nlayer conf: Softmax(data) { axis: 2 }"
    with pytest.raises(netdef.NetdefError, match="has no classes to name"):
        scores_of(netdef.parse(text))


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("layer s: Softmax(data)", ("s", True)),
        ("layer l: SoftmaxWithLoss(data, label)", ("data", False)),
        ("layer l: HingeLoss(data, label)", ("data", False)),
        ("layer l: MultinomialLogisticLoss(data, label)", ("data", True)),
        ("layer a: Accuracy(data, label)", ("data", False)),
        ("layer r: ReLU(data)\nlayer s: Silence(label)", ("r", False)),
    ],
)
def test_the_blob_of_the_classes(last, expected):
    net = netdef.parse(f"layer data: Input -> data, label {{ shape {{ dim: [2, 4] }} shape {{ dim: 2 }} }}\n{last}")
    blob, is_probability = scores_of(net)
    assert (blob.name, is_probability) == expected
