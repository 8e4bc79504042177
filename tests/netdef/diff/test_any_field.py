"""One setting of one layer is changed at random: the diff reports that one, and no other."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netdef
from netdef import NetdefError
from netdef.diff import difference, render
from netdef.diff.compare import FACTS
from netdef.graph.build import build
from netdef.loading import Opened
from netdef.schema import LAYER_TYPES
from netdef.schema.filler_types import reads
from tests.netdef.diff.nets import read

NET = """
layer data: DummyData -> d, l {
  shape { dim: [4, 6, 12, 12] } shape { dim: [4] } data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" }
}
layer rows: Input -> x, y, z { shape { dim: [5, 4] } shape { dim: [5, 4] } shape { dim: [5] } }
layer conv: Convolution(d) { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } param { lr_mult: 2 } }
layer up: Deconvolution(conv) { num_output: 4 kernel_size: 4 stride: 2 pad: 1 }
layer normal: BatchNorm(conv) { eps: 1e-4 }
layer scale: Scale(normal) { bias_term: true filler { } }
layer bias: Bias(scale) { filler { value: 1 } }
layer elu: ELU(scale) { alpha: 0.5 }
layer sum: Eltwise(elu, bias) { operation: SUM coeff: [1, -1] }
layer cat: Concat(sum, elu)
layer cut: Slice(cat) -> s1, s2 { slice_point: 8 }
layer lrn: LRN(s1) { norm_region: WITHIN_CHANNEL local_size: 3 }
layer pool: Pooling(s2) { pool: AVE kernel_size: 3 stride: 2 }
layer pyramid: SPP(pool) { pyramid_height: 2 }
layer mvn: MVN(pool)
layer prelu: PReLU(mvn) { filler { } }
layer power: Power(prelu) { power: 2 scale: 0.5 shift: 1 }
layer tile: Tile(power) { tiles: 2 }
layer fc: InnerProduct(power) { num_output: 10 }
train layer drop: Dropout(fc) { dropout_ratio: 0.3 }
layer clip: Clip(fc) { min: -1 max: 1 }
layer embed: Embed(z) { num_output: 7 input_dim: 11 }
layer crop: Crop(lrn, pool) { offset: 1 }
layer hinge: HingeLoss(fc, l)
layer loss: SoftmaxWithLoss(fc, l) { ignore_label: 255 }
layer euclid: EuclideanLoss(x, y) { loss_weight: 2 }
test layer top: Accuracy(fc, l)
"""
COMMON = ("param",)  # settings that any type may have
WINDOW = {"kernel_size": "kernel", "kernel_h": "kernel", "kernel_w": "kernel"} | {
    f"{what}{ending}": what for what in ("pad", "stride") for ending in ("_h", "_w")
}


def repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def leaves(message, own=None):
    """(message, field) of every scalar that may be set below a layer."""
    for field in message.DESCRIPTOR.fields:
        if own is not None and field.name not in own:
            continue
        if field.message_type is None:
            yield message, field
        else:
            inner = getattr(message, field.name)
            for one in inner if repeated(field) else [inner]:
                yield from leaves(one)


def other(draw, field, value):
    """Another value of a field."""
    if field.enum_type is not None:
        return draw(st.sampled_from([v.number for v in field.enum_type.values if v.number != value]))
    if field.cpp_type == field.CPPTYPE_BOOL:
        return not value
    if field.cpp_type == field.CPPTYPE_STRING:
        return "msra" if value != "msra" else "xavier"
    more = draw(st.sampled_from([1, 2, 5]))
    return value + more / 8 if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE) else value + more


def has_no_effect(layer, holder, field):
    """Whether a layer reads such a field nowhere."""
    if holder.DESCRIPTOR.name == "FillerParameter":
        return not reads(holder, field.name)
    return field.name in ("engine", "force_nd_im2col")


def in_phases(message):
    return {phase: build(message, lambda path: None, "x.net", phase) for phase in ("test", "train")}


@cache
def original():
    message = Opened(lambda: read(NET), "x.net").message
    return message, in_phases(message)


def settings_named(found):
    """{(layer, setting)} in any phase; what follows from them left out, layers that came or went reported as such."""
    result = set()
    for compared in found.compared.values():
        for match, changes in compared.changes.items():
            result |= {(match.first.name, change.what) for change in changes if change.kind not in FACTS}
        result |= {(match.first.name, "one side") for match in compared.matches if not (match.before and match.after)}
    return result


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_change_is_reported_and_no_other(data):
    message, before = original()
    changed = type(message)()
    changed.CopyFrom(message)
    layer = data.draw(st.sampled_from(list(changed.layer)))
    own = (*LAYER_TYPES[layer.type], *COMMON)
    choices = list(leaves(layer, own))
    if not choices:
        return
    holder, field = choices[data.draw(st.integers(0, len(choices) - 1))]
    if repeated(field):
        values = getattr(holder, field.name)
        if not values:
            return
        values[0] = other(data.draw, field, values[0])
    else:
        setattr(holder, field.name, other(data.draw, field, getattr(holder, field.name)))
    try:
        after = in_phases(changed)
    except NetdefError:
        return
    found = difference(before, after, ("a", "b"))
    if has_no_effect(layer, holder, field):
        assert not found or layer.type == "BatchNorm"  # which has a scale and a bias where it has their fillers
        return
    said = settings_named(found)
    if holder.DESCRIPTOR.name == "FillerParameter" and field.name == "type":
        said = {(name, what) for name, what in said if what.endswith(".type")}  # with fields that only the new type reads
    assert len(said) == 1, (layer.name, holder.DESCRIPTOR.name, field.name, said)
    ((name, what),) = said
    assert name == layer.name
    assert what.split(".")[-1] == WINDOW.get(field.name, field.name) or what in ("pad", "stride", "kernel")
    assert what in render(found)


@pytest.mark.parametrize("model", ["alexnet", "googlenet", "lenet"])
def test_fields_in_another_order_are_no_difference(model):
    """Fields from z to a, those that are repeated in their order."""
    nets = [netdef.load(model, phase=phase) for phase in ("test", "train")]
    for net in nets:
        lines = []
        for layer in net.layers:
            fields = str(layer.message).splitlines()
            blocks, block = [], []
            for line in fields:
                block.append(line)
                if not line.startswith(" ") and not line.endswith("{"):
                    blocks.append(block)
                    block = []
            blocks.sort(key=lambda one: one[0].split()[0], reverse=True)
            lines += ["layer {", *(line for one in blocks for line in one), "}  # a comment"]
        text = "\n".join(lines)
        again = netdef.parse(text, "x.prototxt", net.phase)
        assert not difference({net.phase: net}, {net.phase: again}, ("a", "b"))
