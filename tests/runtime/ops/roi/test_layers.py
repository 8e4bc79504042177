"""Regions that are padding, that no image has, and that are no numbers; numbers beyond the windows of Upsample."""

import numpy as np
import pytest

import netdef
import runtime
from netdef.language.diagnostics import NetdefError

X = 1 + np.random.default_rng(1).random((2, 8, 6, 5))
LAYERS = [
    "ROIPooling(x, r) { pooled_h: 2 pooled_w: 2 }",
    "ROIAlign(x, r) { pooled_h: 2 pooled_w: 2 }",
    "PSROIPooling(x, r) { psroi_pooling_param { spatial_scale: 1 output_dim: 2 group_size: 2 } }",
]


def compiled(layer, shapes):
    inputs = "".join(
        f"layer {name}: Input {{ shape {{ {' '.join(f'dim: {size}' for size in shape)} }} }}\n" for name, shape in shapes.items()
    )
    return runtime.compile(netdef.parse(f"force_backward: true\n{inputs}layer y: {layer}"), threads=7)


@pytest.mark.parametrize("layer", LAYERS)
def test_rows_of_padding_are_zeros(layer):
    regions = np.array([[1, 0, 0, 4, 5], [-1, 0, 0, 4, 5]])
    with compiled(layer, {"x": X.shape, "r": regions.shape}) as exe:
        y = exe.forward(x=X, r=regions)["y"]
        assert y[0].all() and not y[1].any()
        exe.backward(y=np.ones(y.shape))
        gradient = exe.blob_grad("x")
        assert gradient[1].sum() == pytest.approx(y[0].size, rel=1e-4) and not gradient[0].any()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("region", "words"), [((2, 0, 0, 1, 1), "names an image that the batch lacks"), ((0, 0, np.nan, 1, 1), "is no number")]
)
def test_what_is_no_region_is_an_error(layer, region, words):
    with compiled(layer, {"x": X.shape, "r": (1, 5)}) as exe, pytest.raises(NetdefError, match=words):
        exe.forward(x=X, r=np.array([region]))


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_numbers_that_are_repeated(scale):
    """As upsample_layer.cpp of YOLO's forks."""
    x = np.random.default_rng(1).normal(size=(2, 3, 2, 5)).astype("f4")
    dy = np.random.default_rng(2).normal(size=(2, 3, 2 * scale, 5 * scale)).astype("f4")
    with compiled(f"Upsample(x) {{ scale: {scale} }}", {"x": x.shape}) as exe:
        (name,) = (y := exe.forward(x=x))
        np.testing.assert_array_equal(y[name], x.repeat(scale, axis=2).repeat(scale, axis=3))
        exe.backward(**{name: dy})
        sums = dy.reshape(2, 3, 2, scale, 5, scale).sum(axis=(3, 5))
        np.testing.assert_allclose(exe.blob_grad("x"), sums, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("position", [24, -2, np.nan])
def test_positions_outside_are_an_error(position):
    positions = np.zeros((1, 1, 2, 3))
    positions[0, 0, 1, 1] = position
    with (
        compiled("Upsample(x, r)", {"x": positions.shape, "r": positions.shape}) as exe,
        pytest.raises(NetdefError, match="outside"),
    ):
        exe.forward(x=positions, r=positions)
