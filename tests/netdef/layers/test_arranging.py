"""Layers that only move, join, cut or combine what they read."""

import pytest

from netdef import NetdefError
from netdef.layers.function import FUNCTIONS
from tests.netdef.layers.one_layer import complaint, net_of, shape_of

X = (2, 6, 9, 8)


def test_concat():
    assert shape_of("layer op: Concat(x0, x1)", X, (2, 3, 9, 8)) == (2, 9, 9, 8)
    assert shape_of("layer op: Concat(x0, x1) { axis: -1 }", X, (2, 6, 9, 1)) == (2, 6, 9, 9)
    assert shape_of("layer op: Concat(x0, x1) { concat_dim: 0 }", X, X) == (4, 6, 9, 8)
    assert net_of("layer op: Concat(x0, x1) { axis: -3 }", X, X).layer("op").axis == 1


@pytest.mark.parametrize(("type", "wanted"), [("Eltwise", "the same shape"), ("Concat", "the same shape but for axis 1")])
def test_shapes_that_disagree_name_both_blobs_and_their_layers(type, wanted):
    with pytest.raises(NetdefError) as caught:
        net_of(f"layer p: Pooling(x0) {{ kernel_size: 2 stride: 2 }}\nlayer op: {type}(x0, p)", X)
    text = str(caught.value)
    assert f"t.net:3:{len(type) + 16}: error: {type} op: x0 (2 x 6 x 9 x 8) and p (2 x 6 x 5 x 4) do not have {wanted}" in text
    assert "t.net:1:7: note: x0 comes from layer x0" in text
    assert "t.net:2:7: note: p comes from layer p" in text


def test_eltwise():
    op = net_of("layer op: Eltwise(x0, x1) { coeff: [1, -1] }", X, X).layer("op")
    assert (op.operation, op.coefficients, op.tops[0].shape) == ("SUM", (1, -1), X)
    said = complaint("layer op: Eltwise(x0, x1) { coeff: 1 }", X, X)
    assert said == "Eltwise op: 1 coeff for 2 bottoms: give one for each, or none"
    said = complaint("layer op: Eltwise(x0, x1) { operation: PROD coeff: [1, 1] }", X, X)
    assert said == "Eltwise op: coeff is for SUM; PROD takes none"
    assert net_of("layer op: Eltwise(x0, x1) { operation: MAX coeff: [1, 1] }", X, X).layer("op").tops[0].shape == X


def test_slice():
    op = net_of("layer op: Slice(x0) -> a, b, c { slice_point: [1, 3] }", X).layer("op")
    assert [top.shape[1] for top in op.tops] == [1, 2, 3]
    assert op.points == (0, 1, 3, 6)
    assert [t.shape for t in net_of("layer op: Slice(x0) -> a, b, c", X).layer("op").tops] == [(2, 2, 9, 8)] * 3


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("-> a, b { slice_point: [1, 2] }", "for 2 tops give slice_point once, not 2 times"),
        ("-> a, b, c { slice_point: [3, 3] }", "slice_point must grow from above 0 to below 6: 3, 3"),
        ("-> a, b { slice_point: 6 }", "slice_point must grow from above 0 to below 6: 6"),
        (
            "-> a, b { axis: 2 }",
            "axis 2 of x0 is 9 long: 2 equal parts do not fit | give the indices to cut at as slice_point",
        ),
    ],
)
def test_slice_rejects_settings_that_do_not_fit(layer, said):
    assert complaint(f"layer op: Slice(x0) {layer}", X) == f"Slice op: {said}"


def test_flatten():
    assert shape_of("layer op: Flatten(x0)", X) == (2, 432)
    assert shape_of("layer op: Flatten(x0) { axis: 0 end_axis: 1 }", X) == (12, 9, 8)
    assert shape_of("layer op: Flatten(x0) { axis: -2 }", X) == (2, 6, 72)
    assert complaint("layer op: Flatten(x0) { axis: 3 end_axis: 1 }", X) == "Flatten op: axis 3 comes after end_axis 1"


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("shape { dim: 0 dim: -1 }", (2, 432)),
        ("shape { dim: 0 dim: 0 dim: 72 }", (2, 6, 72)),
        ("shape { dim: 3 dim: 2 } axis: 1 num_axes: 1", (2, 3, 2, 9, 8)),
        ("shape { dim: 1 } axis: -1 num_axes: 0", (2, 6, 9, 8, 1)),
        ("shape { dim: -1 } axis: 1", (2, 432)),
        ("shape { dim: 8 dim: 9 } axis: -3", (2, 6, 8, 9)),
    ],
)
def test_reshape(body, shape):
    assert shape_of(f"layer op: Reshape(x0) {{ {body} }}", X) == shape


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("shape { dim: 5 dim: -1 }", "864 elements of x0 (2 x 6 x 9 x 8) do not fit 5 x ?"),
        ("shape { dim: 5 }", "864 elements of x0 (2 x 6 x 9 x 8) do not fit 5"),
        ("shape { dim: -1 dim: -1 }", "only one dim can be -1, what is left"),
        ("shape { dim: -2 }", "dim -2: sizes are positive, 0 keeps, -1 takes what is left"),
        (
            "shape { dim: 1 dim: 1 dim: 1 dim: 1 dim: 0 }",
            "dim: 0 keeps axis 4, but x0 (2 x 6 x 9 x 8) has none",
        ),
        ("shape { dim: 5 } axis: 3 num_axes: 2", "2 axes from axis 3: x0 has 4"),
    ],
)
def test_reshape_rejects_shapes_that_do_not_fit(body, said):
    assert complaint(f"layer op: Reshape(x0) {{ {body} }}", X) == f"Reshape op: {said}"


def test_crop():
    op = net_of("layer op: Crop(x0, x1) { offset: [1, 2] }", X, (2, 6, 5, 4)).layer("op")
    assert op.tops[0].shape == (2, 6, 5, 4)
    assert op.offsets == (0, 0, 1, 2)
    said = complaint("layer op: Crop(x0, x1) { offset: 5 }", X, (2, 6, 5, 4))
    assert said == "Crop op: axis 2 of x0 is 9 long: 5 from 5 on do not fit"


@pytest.mark.parametrize(
    ("layer", "shapes", "said"),
    [
        ("Reshape(x0) { shape { dim: 1 } axis: 5 }", [X], "x0 (2 x 6 x 9 x 8) has no axis 5"),
        ("Reshape(x0) { shape { dim: 1 } axis: -6 }", [X], "x0 (2 x 6 x 9 x 8) has no axis -6"),
        (
            "Crop(x0, x1) { offset: [1, 2, 3] }",
            [X, (2, 6, 5, 4)],
            "3 offsets for the 2 axes from axis 2 on: give one, or one for each",
        ),
        ("Crop(x0, x1)", [X, (2, 6, 5)], "x0 (2 x 6 x 9 x 8) and x1 (2 x 6 x 5) differ in their number of axes"),
        ("BatchReindex(x0, x1)", [X, (5, 1)], "x1 must be a list of numbers, it is 5 x 1"),
        ("Filter(x0, x1) -> y", [X, (2, 2)], "the selector x1 must hold one number an image"),
        ("Filter(x0, x1) -> y", [X, (3,)], "x0 has 2 images, the selector x1 3"),
        ("Filter(x0, x1) -> y, z", [X, (2,)], "1 blob to filter and 2 tops: each makes one top"),
        ("Tile(x0)", [X], "tiles, the number of copies, must be at least 1"),
    ],
)
def test_layers_reject_bottoms_that_do_not_fit(layer, shapes, said):
    assert complaint(f"layer op: {layer}", *shapes) == f"{layer.partition('(')[0]} op: {said}"


def test_split_tile_and_others():
    assert shape_of("layer op: Tile(x0) { axis: 2 tiles: 3 }", X) == (2, 6, 27, 8)
    assert shape_of("layer op: BatchReindex(x0, x1)", X, (5,)) == (5, 6, 9, 8)
    assert [t.shape for t in net_of("layer op: Split(x0) -> a, b", X).layer("op").tops] == [X, X]
    assert [t.shape for t in net_of("layer op: Filter(x0, x1) -> a", X, (2, 1)).layer("op").tops] == [X]
    assert net_of("layer op: Silence(x0)\n", X).outputs == ()
    assert net_of('layer op: HDF5Output(x0, x1) { file_name: "out.h5" }', X, X).layer("op").tops == ()
    assert shape_of("layer op: Reduction(x0) { axis: -2 }", X) == (2, 6)
    assert shape_of("layer op: Reduction(x0)", X) == ()
    assert shape_of("layer op: MVN(x0)", X) == X


def test_argmax():
    assert shape_of("layer op: ArgMax(x0)", (5, 9)) == (5, 1, 1)
    assert shape_of("layer op: ArgMax(x0) { out_max_val: true top_k: 2 }", X) == (2, 2, 2, 1)
    assert shape_of("layer op: ArgMax(x0) { axis: 1 top_k: 3 }", X) == (2, 3, 9, 8)
    assert complaint("layer op: ArgMax(x0) { top_k: 10 }", (5, 9)) == "ArgMax op: top_k 10 of 9 elements of x0"


def test_functions_of_one_element():
    for type, function in FUNCTIONS.items():
        assert all(shape_of(f"layer op: {type}(x0) {{ {settings} }}", X) == X for settings in function.cases)
    assert complaint("layer op: Clip(x0) { min: 1 max: 0 }", X) == "Clip op: min 1 is above max 0"
    assert complaint("layer op: Clip(x0)", X) == "Clip op: min and max are missing"
    assert complaint("layer op: Log(x0) { base: 0 }", X) == "Log op: base 0 must be positive, or -1 for e"
    assert complaint("layer op: Log(x0) { base: 1 }", X) == "Log op: base 1 has no logarithms"
    relu = net_of("layer op: ReLU(x0) { negative_slope: 0.5 }", X).layer("op")
    assert relu.constants_of(relu.function.value) == {"slope": 0.5}


def test_python_layers_are_not_run():
    said = complaint('layer op: Python(x0) { module: "m" layer: "L" }', X)
    assert said.startswith("Python op: only m.L gives the shapes of its tops, and Python code is not run unless it is allowed")
