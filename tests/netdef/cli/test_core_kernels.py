"""Times of kernels on a core, by how many images they work on."""

from __future__ import annotations

import pytest

from netdef.cli.core_kernels import Kernels, images_measured, images_of, seconds_by
from runtime.ir.program import Buffer, Instruction

X, Y = (Buffer(name, (3, 8, 8, 16), "activation") for name in "xy")
W = Buffer("w", (4, 3, 3, 3), "parameter_gradient")
FEW, ALL = Kernels(4, 2.0, {"conv2d": 3.0}), Kernels(16, 1.0, {"conv2d": 1.5})


def test_images_of_an_instruction() -> None:
    assert images_of(Instruction("conv2d", (X, W), (Y,))) == 16
    assert images_of(Instruction("relu_forward", (X.flat(),), (Y.flat(),))) == 16  # however a kernel sees it
    assert images_of(Instruction("sgd_update", (W,), ())) == 1


@pytest.mark.parametrize(
    ("images", "kernel", "seconds"), [(16, "conv2d", 15), (5, "conv2d", 30), (9, "conv2d", 15), (2, "lrn", 20)]
)
def test_a_kernel_takes_what_was_measured_with_about_as_many_images(images: int, kernel: str, seconds: float) -> None:
    x = Buffer("x", (3, images), "activation")
    assert seconds_by((FEW, ALL), lambda instruction: 10.0)(Instruction(kernel, (x,), (x,))) == seconds


def test_with_how_many_images_kernels_are_measured() -> None:
    assert images_measured(16, 4, most=32) == [4, 16]
    assert images_measured(256, 2, most=32) == [32]
    assert images_measured(3, 8, most=32) == [1, 3]
