"""MemoryData: arrays of the caller's, batch by batch."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError

NET = "layer data: MemoryData -> data, label { batch_size: 2 channels: 3 height: 4 width: 5 %s }"
IMAGES, LABELS = np.random.default_rng(0).standard_normal((6, 3, 4, 5)).astype(np.float32), np.arange(6)


@pytest.fixture
def exe():
    with runtime.compile(netdef.parse(NET % "")) as opened:
        yield opened


def test_batches_in_turn(exe):
    exe.set_input_arrays(IMAGES, LABELS[:, None, None, None])
    for first in (0, 2, 4, 0):
        outputs = exe.forward()
        np.testing.assert_array_equal(outputs["data"], IMAGES[first : first + 2])
        assert outputs["label"].tolist() == [first, first + 1]
    exe.set_input_arrays((IMAGES * 3).astype(np.uint8), LABELS, "data")
    np.testing.assert_array_equal(exe.forward()["data"], (IMAGES * 3).astype(np.uint8)[:2])


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (IMAGES[:5], LABELS[:5], "N a multiple of 2, not 5 x 3 x 4 x 5"),
        (IMAGES[:, :2], LABELS, "takes images N x 3 x 4 x 5, .*not 6 x 2 x 4 x 5"),
        (IMAGES[:0], LABELS[:0], "not 0 x 3"),
        (IMAGES, LABELS[:4], "there are 6 images and 4 labels"),
        ("pictures", LABELS, "takes arrays of numbers"),
    ],
)
def test_arrays_that_do_not_fit(exe, images, labels, said):
    with pytest.raises(NetdefError, match=said):
        exe.set_input_arrays(images, labels)


def test_no_arrays_yet_and_no_such_layer(exe):
    with pytest.raises(NetdefError, match="layer data, a MemoryData, has no arrays"):
        exe.forward()
    with pytest.raises(NetdefError, match="has 0 such MemoryData layers"):
        exe.set_input_arrays(IMAGES, LABELS, "image")


def test_a_label_that_is_no_class():
    net = NET % "" + "\nlayer fc: InnerProduct(data) { num_output: 5 }\nlayer loss: SoftmaxWithLoss(fc, label)"
    with runtime.compile(netdef.parse(net)) as exe, pytest.raises(NetdefError, match="layer data has label 5"):
        exe.set_input_arrays(IMAGES, LABELS)


def test_a_transformation_is_refused():
    with pytest.raises(NetdefError, match=r"transform_param \{ scale \} does not change them"):
        runtime.compile(netdef.parse(NET % "transform_param { scale: 2 }"))
