"""Filters as pictures: colours, towers, slices, and what has none."""

import numpy as np
import pytest

import netdef
from netdef import NetdefError
from runtime.pictures.filters import draw_filters, filter_shape, layers_with_filters

TOWERS = """
layer data: Input { shape { dim: [1, 3, 9, 9] } }
layer scaled: Power(data) { scale: 0.5 }
layer conv1: Convolution(scaled) { num_output: 4 kernel_size: 3 }
layer conv2: Convolution(conv1) { num_output: 4 kernel_size: 3 group: 2 }
layer mix: Convolution(conv2) { num_output: 3 kernel_size: 1 }
layer up: Deconvolution(mix) { num_output: 2 kernel_size: 2 }
layer odd: Convolution(mix) { num_output: 2 kernel_size: 2 }
layer fc: InnerProduct(up) { num_output: 2 }
"""
LINEAR = """
layer data: Input {{ shape {{ dim: [1, 3, 2, 2] }} }}
layer fc: InnerProduct(data) {{ num_output: 12 {more} }}
"""


def test_colours_are_red_first_and_gray_is_zero():
    net = netdef.parse(TOWERS)
    weights = np.zeros((4, 3, 3, 3), np.float32)
    weights[0, 0], weights[1, 2, 0, 0] = 0.5, -0.25  # blue; less red
    drawn = draw_filters(net, net.layer("conv1"), weights)
    pixels = np.asarray(drawn.mosaic.image)
    assert (drawn.largest, drawn.mosaic.towers, drawn.mosaic.columns) == (0.5, 2, 2)
    assert [*pixels[0, 0]] == [128, 128, 255, 255]
    assert [*pixels[0, 4]] == [64, 128, 128, 255] and [*pixels[1, 4]] == [128, 128, 128, 255]


def test_filters_over_other_channels_are_rows_of_slices():
    net = netdef.parse(TOWERS)
    drawn = draw_filters(net, net.layer("conv2"), np.ones((4, 2, 3, 3), np.float32))
    assert (drawn.mosaic.columns, drawn.mosaic.count) == (2, 8)
    assert "4 filters of 2 x 3 x 3: a row for each, a column for each channel it reads" in drawn.text
    upwards = draw_filters(net, net.layer("up"), np.ones((3, 2, 2, 2), np.float32))
    assert "a row for each channel it reads, a column for each it makes" in upwards.text
    three = draw_filters(net, net.layer("odd"), np.ones((2, 3, 2, 2), np.float32))
    assert three.mosaic.count == 6  # three channels that are no colours


def test_layers_that_have_pictures():
    net = netdef.parse(TOWERS)
    assert [layer.name for layer in layers_with_filters(net)] == ["conv1", "odd"]
    linear = netdef.parse(LINEAR.format(more=""))
    assert filter_shape(linear.layer("fc")) == (12, 3, 2, 2)
    large = TOWERS + "layer large: Convolution(data) { num_output: 700000 kernel_size: 3 }\n"
    assert [layer.name for layer in layers_with_filters(netdef.parse(large))] == ["conv1", "odd"]
    transposed = netdef.parse(LINEAR.format(more="transpose: true"))
    assert filter_shape(transposed.layer("fc")) is None


def test_weights_that_are_no_pictures():
    net = netdef.parse(TOWERS)
    with pytest.raises(NetdefError, match=r"the weights of fc are no pictures: 2 x 72(.|\n)*layers with filters: conv1, conv2"):
        draw_filters(net, net.layer("fc"), np.ones((2, 72), np.float32))
    with pytest.raises(NetdefError, match="the weights of conv1 are not finite"):
        draw_filters(net, net.layer("conv1"), np.full((4, 3, 3, 3), np.nan, np.float32))
