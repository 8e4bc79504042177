"""A label that is no class makes a card's loss NaN; looking for the layer then finds the label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import netdef
import runtime
from tests.runtime.machine.cuda.fake_cupy import Cards

TEXT = """layer data: Input -> x, label { shape { dim: [4, 3] } shape { dim: 4 } }
layer loss: SoftmaxWithLoss(x, label)"""


@pytest.mark.parametrize("devices", ["gpu:0", "gpu:0,gpu:1"])
def test_a_label_that_is_no_class(machine: Callable[..., Cards], execute: Callable, devices: str) -> None:
    machine(count=2, execute=execute, seed=1)
    with runtime.compile(netdef.parse(TEXT), devices) as exe:
        assert np.isnan(exe.forward(x=np.ones((4, 3)), label=[0, 1, 7, 2])["loss"])
        said = "loss: image 2 of the batch has label 7 (label[2]), x has scores of 3 classes: labels are from 0 to 2"
        assert exe.first_non_finite().endswith(f" of layer {said}")


def test_a_number_that_is_no_image(machine: Callable[..., Cards], execute: Callable) -> None:
    machine(execute=execute, seed=1)
    text = "layer data: Input -> x, order { shape { dim: [3, 2] } shape { dim: 4 } }\nlayer picked: BatchReindex(x, order)"
    with runtime.compile(netdef.parse(text), "gpu:0") as exe:
        assert np.isnan(exe.forward(x=np.ones((3, 2)), order=[0, 2, 1, 3])["picked"][3]).all()
        said = " of layer picked: order[3] is 3, and x has 3 images: numbers of images are from 0 to 2"
        assert exe.first_non_finite().endswith(said)
