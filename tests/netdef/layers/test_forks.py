"""Settings of forks in layers that Caffe has, and forks' normalisation and products."""

import pytest

from netdef import NetdefError
from netdef.graph.layer import LAYERS
from netdef.graph.shape import UNKNOWN
from netdef.layers.data import Samples
from runtime.ops.registry import check_runnable
from tests.netdef.layers.one_layer import complaint, net_of, shape_of

X = (2, 6, 9, 8)


def parameters(text, *shapes, phase=None):
    """(shape, lr_mult) of each parameter of the layer, then the net's counts."""
    net = net_of(text, *shapes, phase=phase)
    found = [(parameter.shape, parameter.lr_mult) for parameter in net.layers[-1].parameters]
    return found, (net.totals.parameters, net.totals.statistics)


def test_nvidias_batch_norm_learns_a_scale_and_a_shift():
    frozen = [((6,), 0), ((6,), 0), ((1,), 0)]
    assert parameters("layer b: BatchNorm(x0) { scale_bias: true }", X) == ([*frozen, ((6,), 1), ((6,), 1)], (12, 12))
    text = 'layer b: BatchNorm(x0) { bias_filler { type: "constant" } param { lr_mult: 1 } }'
    assert parameters(text, X)[0] == [*frozen, ((6,), 1), ((6,), 1)]
    assert parameters("layer b: BatchNorm(x0)", X) == (frozen, (0, 12))
    filler = net_of("layer b: BatchNorm(x0) { scale_bias: true }", X).layer("b").parameters[3].filler
    assert filler.value == 1


def test_bn_is_segnets_or_pspnets():
    one = (1, 6, 1, 1)
    found = parameters("layer b: BN(x0) { bn_mode: INFERENCE }", X)
    assert found == ([(one, 1), (one, 1)], (12, 0))
    found = parameters("layer b: BN(x0) { momentum: 0.95 }", X)
    assert found == ([(one, 1), (one, 1), (one, 0), (one, 0)], (12, 12))
    assert [rate for _, rate in parameters("layer b: BN(x0) { frozen: true param { lr_mult: 1 } }", X)[0]] == [0, 0, 0, 0]
    frozen = net_of("layer b: BN(x0) { frozen: true }", X, phase="train").layer("b")
    assert not frozen.uses_batch_statistics
    assert not net_of("layer b: BN(x0) { bn_mode: INFERENCE }", X, phase="train").layer("b").uses_batch_statistics
    assert net_of("layer b: BN(x0)", X, phase="train").layer("b").uses_batch_statistics


def test_normalize():
    assert parameters("layer n: Normalize(x0) { channel_shared: false }", X)[0] == [((6,), 1)]
    (scale,) = net_of("layer n: Normalize(x0)", X).layer("n").parameters
    assert (scale.shape, scale.filler.value) == ((), 1)


def test_axpy():
    assert shape_of("layer a: Axpy(x0, x1, x2)", (2, 6, 1, 1), X, X) == X
    assert "one number for each channel of each image" in complaint("layer a: Axpy(x0, x1, x2)", (2, 5, 1, 1), X, X)


@pytest.mark.parametrize("kind", ["ConvolutionDepthwise", "DepthwiseConvolution"])
def test_depthwise_convolutions(kind):
    op = net_of(f"layer c: {kind}(x0) {{ num_output: 6 kernel_size: 3 }}", X).layer("c")
    assert (op.group, op.tops[0].shape, op.parameters[0].shape) == (6, (2, 6, 7, 6), (6, 1, 3, 3))
    assert net_of(f"layer c: {kind}(x0) {{ kernel_size: 3 group: 6 }}", X).layer("c").num_output == 6
    assert "group 2 is not the 6 channels" in complaint(f"layer c: {kind}(x0) {{ kernel_size: 3 group: 2 }}", X)


def test_ceil_mode_is_round_mode():
    window = "kernel_size: 2 stride: 2"
    floors = [shape_of(f"layer p: Pooling(x0) {{ {window} {mode} }}", X) for mode in ("ceil_mode: false", "round_mode: FLOOR")]
    assert floors == [(2, 6, 4, 4)] * 2
    assert shape_of(f"layer p: Pooling(x0) {{ {window} ceil_mode: true }}", X) == (2, 6, 5, 4)
    both = complaint(f"layer p: Pooling(x0) {{ {window} ceil_mode: true round_mode: CEIL }}", X)
    assert "round_mode and ceil_mode say the same" in both


def test_a_fixed_divisor_is_for_the_losses_that_take_it():
    with pytest.raises(NetdefError, match="PRE_FIXED is for the losses of R-FCN"):
        net = net_of("layer l: SoftmaxWithLoss(x0, x1) { normalization: PRE_FIXED }", (2, 6), (2,))
        _ = net.layer("l").normalization


SIZED = "transform_param { resize_param { height: 300 width: 300 } }"


def test_sources_of_ssd():
    net = net_of(f"layer d: AnnotatedData -> data, label {{ batch_size: 4 {SIZED} }}")
    assert [top.shape for top in net.layer("d").tops] == [(4, 3, 300, 300), (1, 1, 1, 8)]
    assert shape_of(f"layer d: VideoData {{ batch_size: 4 {SIZED} }}") == (4, 3, 300, 300)
    assert shape_of("layer d: Data { batch_size: 4 transform_param { crop_h: 20 crop_w: 30 } }") == (4, 3, 20, 30)


def test_what_a_further_top_of_annotated_data_holds_is_not_known():
    net = net_of(f"layer d: AnnotatedData -> data, label, seg {{ batch_size: 4 {SIZED} }}\nlayer s: Silence(seg)")
    assert [top.shape for top in net.layer("d").tops] == [(4, 3, 300, 300), (1, 1, 1, 8), UNKNOWN]


def test_a_source_with_several_sizes_has_none_here():
    two = SIZED.replace("} }", "} resize_param { height: 200 width: 200 } }")
    assert "the size of its images is not known here" in complaint(f"layer d: AnnotatedData {{ batch_size: 4 {two} }}")
    same = SIZED.replace("} }", "} resize_param { height: 300 width: 300 } }")
    assert shape_of(f"layer d: AnnotatedData {{ batch_size: 4 {same} }}") == (4, 3, 300, 300)


def test_fillers_of_intels_batch_norm_are_no_scale():
    text = "layer { name: 'b' type: 'BatchNorm' bottom: 'x0' top: 'b' batch_norm_param { filler { value: 1 } bias_filler { } } }"
    assert len(net_of(text, X).layer("b").parameters) == 3


SOURCES = {
    "ImageData": 'source: "builtin:digits"',
    "Data": 'source: "db"',
    "MemoryData": "channels: 3 height: 4 width: 4",
    "WindowData": 'source: "windows.txt"',
}


@pytest.mark.parametrize("kind", SOURCES)
def test_settings_that_nothing_reads_stop_a_run(kind):
    size = "" if kind == "MemoryData" else "crop_size: 4"
    for field in (*Samples.unread_transforms, "random_resize_param { resize_param"):
        value = f"{field} {{ }} }}" if "{" in field else f"{field} {{ }}"
        field = field.replace(" { ", ".")
        if "." in field and kind in ("MemoryData", "WindowData"):
            continue  # they take no random sizes
        text = f"layer d: {kind} -> data, l {{ {SOURCES[kind]} batch_size: 4 transform_param {{ {size} {value} }} }}"
        with pytest.raises(NetdefError, match=rf"nothing here reads transform_param.{field} of {kind} \(1 layer\)") as caught:
            check_runnable(net_of(text).layers)
        assert (at := caught.value.diagnostics[0].position) and text[at.column - 1 :].startswith(
            (field, "resize_param", "transform_param")
        )


def test_how_intels_regions_are_resized_is_kept_and_stops_a_run():
    regions = "random_aspect_ratio_param { min_area_ratio: 0.08 resize_param { interp_mode: CUBIC } }"
    net = net_of(f"layer d: Data -> data, l {{ source: 'db' batch_size: 4 transform_param {{ crop_size: 4 {regions} }} }}")
    assert net.layer("d").unread_fields == ("transform_param.random_aspect_ratio_param.resize_param",)


def test_every_fork_is_named():
    assert LAYERS["PriorBox"].origin == "SSD"
    assert LAYERS["ReLU6"].origin == "MobileNet"
    assert LAYERS["Convolution"].origin == ""
