"""Multiply-accumulates of one image, counted by hand; those of layers with weights are tested with their shapes."""

import pytest

from tests.netdef.layers.one_layer import net_of

X = (2, 6, 9, 8)
IMAGE = 6 * 9 * 8


@pytest.mark.parametrize(
    ("layer", "shapes", "macs"),
    [
        ("ReLU(x0)", [X], 0),
        ("Eltwise(x0, x1, x2)", [X, X, X], 2 * IMAGE),
        ("Scale(x0)", [X], IMAGE),
        ("Bias(x0)", [X], IMAGE),
        ("BatchNorm(x0)", [X], 2 * IMAGE),
        ("MVN(x0)", [X], 2 * IMAGE),
        ("Reduction(x0) { axis: 1 }", [X], IMAGE),
        ("LRN(x0) { local_size: 5 }", [X], (5 + 3) * IMAGE),
        ("LRN(x0) { local_size: 3 norm_region: WITHIN_CHANNEL }", [X], (3 * 3 + 3) * IMAGE),
        ("Pooling(x0) { kernel_size: 3 stride: 2 }", [X], 6 * 4 * 4 * 3 * 3),
        ("SPP(x0) { pyramid_height: 2 }", [X], 2 * IMAGE),
        ("InnerProduct(x0) { num_output: 5 axis: 2 }", [X], 6 * 5 * 9 * 8),
        ("RNN(x0, x1) { num_output: 4 }", [(5, 3, 6), (5, 3)], 3 * (4 * 6 + 4 * 4 + 4 * 4)),
        ("LSTM(x0, x1) { num_output: 4 }", [(5, 3, 6), (5, 3)], 3 * (16 * 6 + 16 * 4)),
    ],
)
def test_macs(layer, shapes, macs):
    assert net_of(f"layer op: {layer}", *shapes).layer("op").macs == macs
