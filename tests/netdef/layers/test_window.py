"""Sliding windows: convolution, its transpose, pooling and the pyramid."""

import pytest

from netdef.layers.window import convolved, deconvolved, pooled
from tests.netdef.layers.one_layer import complaint, net_of, shape_of

CONV = "layer op: Convolution(x0) { num_output: 8 "
X = (2, 6, 9, 8)


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("kernel_size: 3", (2, 8, 7, 6)),
        ("kernel_size: [3, 1] pad: [1, 0] stride: [2, 1]", (2, 8, 5, 8)),
        ("kernel_h: 2 kernel_w: 4 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 0", (2, 8, 10, 3)),
        ("kernel_size: 3 dilation: 2 pad: 2", (2, 8, 9, 8)),
        ("kernel_size: 9 stride: 5 pad: 1", (2, 8, 1, 1)),  # floor
    ],
)
def test_convolution(body, shape):
    assert shape_of(CONV + body + " }", X) == shape


def test_convolution_over_other_numbers_of_axes():
    assert shape_of(CONV + "kernel_size: 3 }", (2, 6, 9)) == (2, 8, 7)
    assert shape_of(CONV + "kernel_size: 3 pad: 1 }", (2, 6, 5, 9, 8)) == (2, 8, 5, 9, 8)
    assert shape_of(CONV + "kernel_size: 3 axis: 2 }", (2, 5, 6, 9, 8)) == (2, 5, 8, 7, 6)
    assert shape_of(CONV + "axis: 3 }", X) == (2, 6, 9, 8)  # no axis to slide along: an inner product
    assert shape_of(CONV + "kernel_size: 3 pad_h: 1 }", X) == (2, 8, 9, 6)


def test_convolution_geometry_parameters_and_cost():
    op = net_of("layer op: Convolution(x0) { num_output: 8 kernel_size: 3 kernel_size: 5 group: 2 }", X).layer("op")
    assert (op.kernel, op.stride, op.pad, op.dilation) == ((3, 5), (1, 1), (0, 0), (1, 1))
    assert (op.group, op.num_output, op.bias_term, op.axis, op.channels) == (2, 8, True, 1, 6)
    assert [p.shape for p in op.parameters] == [(8, 3, 3, 5), (8,)]
    assert op.macs == 8 * 7 * 4 * 3 * 3 * 5


def test_convolution_of_several_bottoms_shares_its_weights():
    op = net_of("layer op: Convolution(x0, x1) -> a, b { num_output: 8 kernel_size: 3 }", X, X).layer("op")
    assert [top.shape for top in op.tops] == [(2, 8, 7, 6)] * 2
    assert len(op.parameters) == 2
    assert op.macs == 2 * 8 * 7 * 6 * 6 * 9


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "num_output: 8 kernel_size: 11",
            "Convolution op: kernel 11 x 11 is larger than its input x0, 9 x 8 | use a smaller kernel, more pad, or a larger input",
        ),
        (
            "num_output: 8 kernel_size: 5 dilation: 3 pad: 1",
            "Convolution op: kernel 5 x 5, 13 x 13 with dilation 3 x 3, is larger than its input x0, 9 x 8 "
            "(11 x 10 with its padding) | use a smaller kernel, more pad, or a larger input",
        ),
        ("num_output: 8 kernel_size: 3 group: 4", "Convolution op: group 4 does not divide the 6 channels of x0"),
        ("num_output: 8 kernel_size: 3 group: 3", "Convolution op: group 3 does not divide the num_output 8"),
        ("num_output: 8 kernel_size: 3 group: 0", "Convolution op: group must be at least 1"),
        (
            "kernel_size: 3",
            "Convolution op: num_output, the number of filters, is missing | add num_output: 64, say",
        ),
        (
            "num_output: 8",
            "Convolution op: the size of the window is missing: set kernel_size, or kernel_h and kernel_w",
        ),
        ("num_output: 8 kernel_h: 3", "Convolution op: kernel_h is given without kernel_w | add kernel_w"),
        (
            "num_output: 8 kernel_size: 3 kernel_h: 3",
            "Convolution op: kernel_size and kernel_h/kernel_w exclude each other | keep kernel_size, or the two",
        ),
        (
            "num_output: 8 kernel_size: [3, 3, 3]",
            "Convolution op: kernel_size has 3 values for 2 spatial axes | give one, or one an axis",
        ),
        (
            "num_output: 8 kernel_size: 3 stride_w: 2",
            "Convolution op: stride_w is given without stride_h | add stride_h",
        ),
        ("num_output: 8 kernel_size: 0", "Convolution op: kernel_size must be at least 1, not 0"),
        ("num_output: 8 kernel_size: 3 stride: 0", "Convolution op: stride must be at least 1, not 0"),
        ("num_output: 8 kernel_size: 3 axis: 4", "Convolution op: x0 (2 x 6 x 9 x 8) has no axis 4"),
    ],
)
def test_convolution_rejects_settings_that_do_not_fit(body, said):
    assert complaint(f"layer op: Convolution(x0) {{ {body} }}", X) == said


def test_convolution_rejects_bottoms_of_different_shapes():
    said = complaint("layer op: Convolution(x0, x1) -> a { num_output: 8 kernel_size: 3 }", X, X)
    assert said == "Convolution op: 2 bottoms and 1 top: each bottom makes one top"
    said = complaint("layer op: Convolution(x0, x1) -> a, b { num_output: 8 kernel_size: 3 }", X, (2, 6, 9, 9))
    assert said == "Convolution op: all bottoms must have one shape; these are x0 2 x 6 x 9 x 8, x1 2 x 6 x 9 x 9"


def test_an_error_points_at_its_field():
    from netdef import NetdefError

    with pytest.raises(NetdefError) as caught:
        net_of("layer op: Convolution(x0) {\n  num_output: 8\n  kernel_size: 11\n}", X)
    position = caught.value.diagnostics[0].position
    assert (position.file, position.line, position.column) == ("t.net", 4, 3)
    assert "    4 |   kernel_size: 11\n      |   ^^^^^^^^^^^^^^^" in str(caught.value)


def test_deconvolution():
    op = net_of("layer op: Deconvolution(x0) { num_output: 4 kernel_size: 4 stride: 2 pad: 1 group: 2 }", X).layer("op")
    assert op.tops[0].shape == (2, 4, 18, 16)
    assert [p.shape for p in op.parameters] == [(6, 2, 4, 4), (4,)]
    assert op.macs == 6 * 9 * 8 * 2 * 16
    said = complaint("layer op: Deconvolution(x0) { num_output: 4 kernel_size: 1 pad: 5 }", X)
    assert said == "Deconvolution op: pad 5 x 5 leaves nothing of the output: -1 x -2"


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "expected"),
    [
        (55, 3, 2, 0, 27),
        (13, 3, 2, 0, 6),
        (8, 3, 2, 0, 4),  # the last window hangs over the edge
        (2, 3, 2, 0, 1),  # the only window does
        (8, 3, 2, 1, 5),
        (9, 3, 2, 1, 5),
        (4, 2, 2, 1, 3),
        (3, 2, 2, 1, 2),  # a third window would start in the padding
    ],
)
def test_pooling_rounds_up_and_clips(size, kernel, stride, pad, expected):
    assert pooled(size, kernel, stride, pad, clip=pad > 0) == expected
    layer = f"layer op: Pooling(x0) {{ kernel_size: {kernel} stride: {stride} pad: {pad} }}"
    assert shape_of(layer, (1, 2, size, size)) == (1, 2, expected, expected)


def test_pooling_rounds_down_when_asked():
    assert shape_of("layer op: Pooling(x0) { kernel_size: 3 stride: 2 round_mode: FLOOR }", (1, 2, 8, 9)) == (1, 2, 3, 4)


def test_windows_are_inverse():
    for kernel, stride, pad, dilation in ((3, 1, 1, 1), (4, 2, 1, 1), (3, 2, 0, 2)):
        large = deconvolved(7, kernel, stride, pad, dilation)
        assert convolved(large, kernel, stride, pad, dilation) == 7


def test_pooling_geometry():
    op = net_of("layer op: Pooling(x0) -> y, mask { pool: MAX kernel_size: 3 stride: 2 }", X).layer("op")
    assert (op.method, op.kernel, op.stride, op.pad, op.global_pooling) == ("MAX", (3, 3), (2, 2), (0, 0), False)
    assert [top.shape for top in op.tops] == [(2, 6, 4, 4)] * 2
    whole = net_of("layer op: Pooling(x0) { pool: AVE global_pooling: true }", X).layer("op")
    assert (whole.method, whole.kernel, whole.tops[0].shape) == ("AVE", (9, 8), (2, 6, 1, 1))


@pytest.mark.parametrize(
    ("body", "shape", "said"),
    [
        (
            "kernel_size: 11 stride: 2",
            X,
            "Pooling op: window 11 x 11 is larger than its input x0, 9 x 8 | "
            "use a smaller kernel_size, or global_pooling: true for the whole image",
        ),
        ("kernel_size: 3 pad: 3", X, "Pooling op: pad 3 x 3 must be less than the window, 3 x 3"),
        ("kernel_size: 3", (2, 6), "Pooling op: expected images (N x C x H x W), but x0 is 2 x 6"),
        (
            "kernel_size: 3 global_pooling: true",
            X,
            "Pooling op: global_pooling takes the whole image and excludes kernel_size",
        ),
        (
            "global_pooling: true stride: 2",
            X,
            "Pooling op: global_pooling has one window: no pad, and stride 1",
        ),
        ("kernel_size: 3 pad_h: 1", X, "Pooling op: pad_h is given without pad_w | add pad_w"),
        (
            "pool: STOCHASTIC kernel_size: 3 pad: 1",
            X,
            "Pooling op: STOCHASTIC pooling takes no pad: padding has no probability",
        ),
        ("", X, "Pooling op: the size of the window is missing: set kernel_size, or kernel_h and kernel_w"),
    ],
)
def test_pooling_rejects_settings_that_do_not_fit(body, shape, said):
    assert complaint(f"layer op: Pooling(x0) {{ {body} }}", shape) == said


def test_only_maxima_have_indices():
    said = complaint("layer op: Pooling(x0) -> y, mask { pool: AVE kernel_size: 3 }", X)
    assert said == "Pooling op: a second top holds the indices of the maxima: AVE has none"


def test_pyramid():
    assert shape_of("layer op: SPP(x0) { pyramid_height: 3 }", (2, 4, 12, 12)) == (2, 4 * (1 + 4 + 16))
    assert shape_of("layer op: SPP(x0) { pyramid_height: 1 }", (2, 4, 12, 12)) == (2, 4, 1, 1)
    said = complaint("layer op: SPP(x0) { pyramid_height: 2 pool: STOCHASTIC }", (2, 4, 5, 6))
    assert said == "SPP op: STOCHASTIC pooling takes no pad, which 2 x 2 cells of 5 x 6 need"
    assert complaint("layer op: SPP(x0)", X) == "SPP op: pyramid_height, the number of levels, is missing"
    said = complaint("layer op: SPP(x0) { pyramid_height: 4 }", (2, 4, 5, 5))
    assert said == "SPP op: level 3 of the pyramid has 4 x 4 cells, too many for 5 x 5"


def test_columns():
    assert shape_of("layer op: Im2col(x0) { kernel_size: 3 stride: 2 pad: 1 }", X) == (2, 54, 5, 4)
