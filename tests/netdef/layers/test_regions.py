"""Pooling over regions."""

import pytest

from tests.netdef.layers.one_layer import complaint, net_of, shape_of

X, REGIONS = (1, 18, 14, 14), (30, 5)


@pytest.mark.parametrize("kind", ["ROIPooling", "ROIAlign"])
def test_one_output_a_region(kind):
    text = f"layer r: {kind}(x0, x1) {{ pooled_h: 7 pooled_w: 6 spatial_scale: 0.0625 }}"
    assert shape_of(text, X, REGIONS) == (30, 18, 7, 6)
    assert net_of(text, X, REGIONS).layer("r").gradient_bottoms == (0,)
    assert "must hold 5 numbers a region" in complaint(text, X, (30, 4))
    assert "pooled_w, the columns of the grid, is missing" in complaint(f"layer r: {kind}(x0, x1) {{ pooled_h: 7 }}", X, REGIONS)


def test_regions_with_channels_of_their_own():
    text = "layer r: PSROIPooling(x0, x1) { spatial_scale: 0.0625 output_dim: 2 group_size: 3 }"
    assert shape_of(text, X, REGIONS) == (30, 2, 3, 3)
    assert "x0 has 16 channels; 2 x 3 x 3 are 18" in complaint(text, (1, 16, 14, 14), REGIONS)
    assert "group_size must be at least 1" in complaint(text.replace("3 }", "0 }"), X, REGIONS)
