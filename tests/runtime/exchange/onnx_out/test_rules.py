"""What the rules write gives netdef's numbers in ONNX Runtime, for every layer type that runs in phase test."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from netdef import NetdefError, load, parse
from netdef.graph.layer import LAYERS
from runtime.exchange.agreement import difference, inputs_by_seed
from runtime.exchange.deployed import deployed
from runtime.exchange.onnx_out.check import run
from runtime.exchange.onnx_out.file import model_of
from runtime.exchange.onnx_out.model import blank, default_opset, written
from runtime.exchange.onnx_out.registry import RULES, WHY_NOT, load_rules
from runtime.ops.registry import runnable_types
from tests.runtime.exchange.nets import compiled, every_kind
from tests.runtime.ops.elementwise.formulas import CASES

pytest.importorskip("onnxruntime")


def disagreements(net, *opsets, limit=5e-6, **values):
    """The outputs that differ, by (opset, name, type), and how many there are."""
    net, found, count = deployed(net).net, [], 0
    with compiled(net) as exe:
        inputs = {**inputs_by_seed(net), **values}
        results = exe.forward(0, **inputs)
        for opset in opsets:
            made = written(net, opset, lambda one: exe.param(one.owner.layer.name, one.owner.index))
            outputs = run(model_of(made).SerializeToString(), inputs)
            count = len(made.outputs)
            for blob in made.outputs:
                apart = difference(outputs[made.graph.names[blob]], results[blob.name])
                if not apart <= limit:
                    found.append((opset, blob.name, blob.producer.type, apart))
    return found, count


@pytest.mark.slow
def test_every_kind_of_layer():
    found, count = disagreements(every_kind("PSROIPooling"), 13, 21)
    assert (found, count) == ([], 18 + len(CASES))


MORE = """
defaults Convolution { weight_filler { type: "xavier" } }
defaults BN { scale_filler { type: "uniform" min: 0.5 max: 2 } shift_filler { type: "constant" value: 0.3 } }
layer data: Input -> data, regions, order { shape { dim: [3, 4, 9, 7] } shape { dim: [5, 5] } shape { dim: 4 } }
layer aligned: ROIAlign(data, regions) { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 sampling_ratio: 2 }
layer pooled: ROIPooling(data, regions) { pooled_h: 3 pooled_w: 2 spatial_scale: 0.5 }
layer ordered: BatchReindex(data, order)
layer segnet: BN(data)
layer slopes: BN(data) { bn_mode: INFERENCE }
layer of_batch: BatchNorm(data) { use_global_stats: false }
layer nvidia: BatchNorm(data) { scale_bias: true scale_filler { type: "uniform" min: 0.5 max: 2 } }
layer spread: Normalize(data) { across_spatial: true channel_shared: true }
layer zoomed: Interp(data) { zoom_factor: 2 pad_beg: -1 pad_end: -2 }
layer shrunk: Interp(data) { shrink_factor: 2 }
layer repeated: Upsample(data) { scale: 3 }
layer reorg: Reorg(ordered_square) { stride: 2 }
layer square: Input -> ordered_square { shape { dim: [2, 4, 6, 4] } }
layer spp: SPP(data) { pyramid_height: 2 pool: MAX }
layer one_level: SPP(data) { pyramid_height: 1 }
layer mean: Reduction(data) { axis: 1 operation: MEAN coeff: 3 }
layer best: ArgMax(data)
layer best3: ArgMax(data) { axis: 1 top_k: 3 out_max_val: true }
layer crop: Crop(data, ordered_square) { axis: 2 offset: 1 }
layer permuted: Permute(data) { order: 2 }
layer dense: InnerProduct(data) { num_output: 3 axis: -1 weight_filler { type: "xavier" } }
layer group: Convolution(data) { num_output: 4 kernel_size: [3] dilation: 2 pad: 2 group: 2 }
layer both: Convolution(data, data) -> twin1, twin2 { num_output: 2 kernel_h: 1 kernel_w: 3 }
layer same: Convolution(data) { num_output: 2 kernel_h: 1 kernel_w: 3 param { name: "w" } param { name: "b" } }
layer again: Convolution(same_size) { num_output: 2 kernel_h: 1 kernel_w: 3 param { name: "w" } param { name: "b" } }
layer relu: ReLU(data) -> same_size
layer part: Slice(data) -> part
layer copies: Split(data) -> copy1, copy2
layer flat: Flatten(data) { axis: 2 end_axis: 3 }
layer minus: Eltwise(copy1, copy2) { operation: SUM coeff: [1, -1] }
layer plus: Eltwise(copy1, minus, copy2) { operation: SUM coeff: [1, 1, -2] }
layer kept: Dropout(data) -> kept { dropout_ratio: 0.25 scale_train: false }
layer biased: Bias(data, ordered4) { axis: 1 }
layer four: Input -> ordered4 { shape { dim: 4 } }
layer tables: Embed(rows) { num_output: 3 input_dim: 5 bias_term: false weight_filler { type: "xavier" } }
layer rows: Input -> rows { shape { dim: [2, 3] } }
"""


def test_settings_that_the_self_test_lacks():
    sources = [
        line
        for line in MORE.splitlines()
        if line.startswith("defaults") or any(one in line for one in (": Input ->", ": ReLU", ": Split"))
    ]
    text = "\n".join([*sources, *(line for line in MORE.splitlines() if line not in sources)])
    found, count = disagreements(parse(text, phase="test"), 13, 21)
    assert (found, count) == ([], 31)


def test_rows_that_a_filter_keeps():
    text = """layer data: Input -> data, chosen { shape { dim: [5, 3] } shape { dim: 5 } }
              layer some: Filter(data, chosen) -> some
              layer ip: InnerProduct(some) { num_output: 2 weight_filler { type: "xavier" } }"""
    assert disagreements(parse(text, phase="test"), 22) == ([], 1)


def recurrent(kind, states):
    shapes = ["[3, 2, 4]", "[3, 2]", *["[1, 2, 5]"] * states]
    before, after = (", ".join(f"{one}{i}" for i in range(states)) for one in "st")
    declared = " ".join(f"shape {{ dim: {one} }}" for one in shapes)
    return f"""layer data: Input -> x, cont, {before} {{ {declared} }}
               layer static: Input -> static {{ shape {{ dim: [2, 3] }} }}
               layer r: {kind}(x, cont, static, {before}) -> y, {after} {{
                 num_output: 5 expose_hidden: true weight_filler {{ type: "xavier" }} bias_filler {{ type: "uniform" }} }}"""


@pytest.mark.parametrize("text", [recurrent("LSTM", 2), recurrent("RNN", 1)])
def test_recurrent_layers_with_exposed_states(text):
    found, count = disagreements(parse(text, phase="test"), 22)
    assert (found, count) == ([], 3 if "LSTM" in text else 2)


def test_a_time_step_of_lstm():
    text = """layer x: Input -> cell, gates, cont { shape { dim: [1, 3, 2] } shape { dim: [1, 3, 8] } shape { dim: [1, 3] } }
              layer unit: LSTMUnit(cell, gates, cont) -> next, hidden"""
    assert disagreements(parse(text, phase="test"), 22) == ([], 2)


BOXES = """layer data: Input -> places, scores {{ shape {{ dim: [2, {numbers}] }} shape {{ dim: [2, 72] }} }}
           layer images: Input -> map, image {{ shape {{ dim: [1, 1, 3, 2] }} shape {{ dim: [1, 1, 30, 20] }} }}
           layer priors: PriorBox(map, image) {{ min_size: 6 max_size: 9 aspect_ratio: 2 variance: [0.1, 0.1, 0.2, 0.2] }}
           layer found: DetectionOutput(places, scores, priors) {{
             num_classes: 3 nms_param {{ nms_threshold: 0.4 top_k: 12 }} {settings} }}"""


@pytest.mark.parametrize(
    ("numbers", "settings"),
    [
        (96, "keep_top_k: 9 confidence_threshold: 0.1 code_type: CENTER_SIZE"),
        (288, "keep_top_k: -1 confidence_threshold: 0.5 code_type: CORNER share_location: false"),
        (96, "keep_top_k: 20 background_label_id: -1 code_type: CORNER_SIZE variance_encoded_in_target: true"),
        (96, "keep_top_k: 5 confidence_threshold: 2"),
    ],
)
def test_detections(numbers, settings):
    text = BOXES.format(numbers=numbers, settings=settings)
    draws = np.random.default_rng(0)
    values = {
        "places": draws.normal(0, 0.3, (2, numbers)).astype(np.float32),
        "scores": draws.uniform(0, 1, (2, 72)).astype(np.float32),
    }
    assert disagreements(parse(text, phase="test"), 13, 22, **values) == ([], 1)


def test_proposals():
    text = """layer data: Input -> scores, moves { shape { dim: [1, 6, 5, 4] } shape { dim: [1, 12, 5, 4] } }
              layer sizes: Input -> info { shape { dim: [1, 3] } }
              layer found: Proposal(scores, moves, info) -> regions, chances {
                ratio: [0.5, 1, 2] scale: 1 min_size: 8 pre_nms_topn: 30 post_nms_topn: 12 nms_thresh: 0.5 }
              layer features: Input -> features { shape { dim: [1, 2, 5, 4] } }
              layer pooled: ROIPooling(features, regions) { pooled_h: 2 pooled_w: 2 spatial_scale: 0.0625 }
              layer aligned: ROIAlign(features, regions) { pooled_h: 2 pooled_w: 2 spatial_scale: 0.0625 }
              layer seen: Power(regions) { scale: 2 }"""
    draws = np.random.default_rng(0)
    values = {"scores": draws.uniform(0, 1, (1, 6, 5, 4)), "moves": draws.normal(0, 0.3, (1, 12, 5, 4))}
    small = {name: array.astype(np.float32) for name, array in values.items()}
    assert disagreements(parse(text, phase="test"), 13, 21, **small) == ([], 4)


def pools():
    """Every pooling of a few windows over sides of 5 to 8 that Caffe takes, one after another."""
    yield (
        "layer data: Input -> d5, d6, d7, d8 { "
        + " ".join(f"shape {{ dim: [1, 1, {side}, {13 - side}] }}" for side in range(5, 9))
        + " }"
    )
    cases = product(("MAX", "AVE"), (2, 3), (1, 2, 3), (0, 1, 2), ("", "round_mode: FLOOR"), range(5, 9))
    for number, (method, kernel, stride, pad, mode, side) in enumerate(cases):
        if pad < kernel:
            yield f"layer p{number}: Pooling(d{side}) {{ pool: {method} kernel_size: {kernel} stride: {stride} pad: {pad} {mode} }}"


def test_every_rounding_of_pooling():
    """Windows beyond the image are refused; all others agree."""
    net, refused = parse("\n".join(pools()), phase="test"), set()
    try:
        written(net, 22, blank)
    except NetdefError as error:
        refused = {one.message.split(":")[0].split()[1] for one in error.diagnostics}
    text = [line for line in pools() if line.split()[1].rstrip(":") not in refused]
    found, count = disagreements(parse("\n".join(text), phase="test"), 13, 22)
    assert found == []
    assert (count, len(refused)) == (236, 4)


def test_every_type_of_caffe_that_runs_has_a_rule_or_a_reason():
    load_rules()
    missing = set(runnable_types()) - set(RULES) - set(WHY_NOT)
    left_out = {name for name in missing if LAYERS[name].is_loss or LAYERS[name].is_accuracy or LAYERS[name].tops_allowed == (0, 0)}
    assert missing - left_out == {name for name in missing - left_out if LAYERS[name].is_source or LAYERS[name].origin}
    assert not set(RULES) & set(WHY_NOT)


@pytest.mark.parametrize("name", ["faster_rcnn_vgg16", "fcn8s", "googlenet", "lrcn", "mnist_autoencoder", "mobilenet_v2"])
def test_rules_for_models(name):
    """All models agree; they take longer than a test may."""
    net = deployed(load(name, phase="test")).net
    made = written(net, default_opset(net), blank)
    assert made.outputs
    assert {blob.producer.type for blob in made.outputs}.isdisjoint({"Accuracy", "SoftmaxWithLoss", "Input"})
