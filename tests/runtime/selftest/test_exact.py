"""Long sums in float64, against the CPU's kernels and against sums that lose digits in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from runtime.ir.program import Buffer, Instruction
from runtime.selftest.exact import exact
from tests.runtime.harness import run_kernel

WINDOW = {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 0), "dilation": (1, 2), "group": 2}
FLAGS = {"transpose": False, "has_bias": True, "relu": True, "slope": 0.1}
# Kernel, shapes of inputs and of outputs, constants.
CASES: list[tuple[str, list[tuple[int, ...]], list[tuple[int, ...]], dict[str, Any]]] = [
    ("bias_gradient", [(2, 5, 3, 12)], [(5,)], {}),
    ("conv2d_weight_gradient", [(4, 7, 6, 5), (6, 4, 4, 5)], [(6, 2, 3, 2)], WINDOW),
    ("inner_product", [(2, 30, 5), (7, 30), (7,)], [(2, 7, 5)], FLAGS),
    ("inner_product", [(1, 30, 5), (30, 7), (7,)], [(1, 7, 5)], {**FLAGS, "transpose": True, "has_bias": False, "relu": False}),
    ("relu_backward_bias", [(1, 5, 3, 12), (1, 5, 3, 12)], [(1, 5, 3, 12), (5,)], {"slope": 0.1}),
]


def instruction_of(kernel: str, shapes: Sequence[tuple[int, ...]], outputs: int, constants: dict[str, Any]) -> Instruction:
    buffers = [Buffer(str(number), shape, "activation") for number, shape in enumerate(shapes)]
    return Instruction(kernel, tuple(buffers[:-outputs]), tuple(buffers[-outputs:]), constants)


@pytest.mark.parametrize(("kernel", "inputs", "outputs", "constants"), CASES)
def test_sums_are_those_of_the_kernels(kernel: str, inputs: list, outputs: list, constants: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    given = [random.standard_normal(shape, dtype=np.float32) for shape in inputs]
    made = run_kernel(kernel, given, outputs, **constants)
    sums = exact(instruction_of(kernel, [*inputs, *outputs], len(outputs), constants), given, made)
    assert sums[-1].dtype == np.float64
    for mine, expected in zip(made, sums, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-5)


def test_a_sum_that_loses_digits_is_not_the_measure() -> None:
    """A large number among many small ones, which float32 drops one by one."""
    dy = np.full((1, 1, 1, 100_000), 1e-3, np.float32)
    dy[..., 0] = 1e5
    (sum_,) = exact(instruction_of("bias_gradient", [dy.shape, (1,)], 1, {}), [dy], [np.zeros(1, np.float32)])
    assert abs(sum_[0] - 100_100) < 0.1 < abs(np.cumsum(dy)[-1] - 100_100)


def test_other_results_stay_as_they_are() -> None:
    y = np.ones((3, 4), np.float32)
    (same,) = exact(instruction_of("relu_forward", [(12,), (12,)], 1, {"slope": 0.0}), [y], [y])
    assert same is y
