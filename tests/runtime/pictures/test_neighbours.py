"""The nearest images, and the layer that tells them."""

import numpy as np

import netdef
from runtime.pictures.neighbours import hidden_blob, nearest


def test_nearest_first_and_never_itself():
    features = np.array([[0, 0], [3, 4], [0, 1], [0, 0]], np.float32)
    assert nearest(features, 0) == [(3, 0.0), (2, 1.0), (1, 5.0)]
    assert nearest(features, 0, count=1) == [(3, 0.0)]
    assert nearest(features[:1], 0) == []


def test_the_last_hidden_layer():
    alexnet = netdef.load("alexnet", phase="test", batch_size=1)
    assert str(hidden_blob(alexnet.layer("prob").tops[0])).split("@")[0] == "fc7"
    linear = netdef.parse("layer data: Input { shape { dim: [1, 3] } }\nlayer fc: InnerProduct(data) { num_output: 2 }")
    assert hidden_blob(linear.blobs["fc"]) is None
