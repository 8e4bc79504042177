"""The bytes that `netdef time --predict` counts are those that the kernels load and store."""

from __future__ import annotations

from collections import defaultdict

import pytest

from runtime.ir.program import Buffer, Instruction
from runtime.kernels.cuda.registry import CUDA_KERNELS
from runtime.machine.costs import launches
from tests.runtime.kernels.cuda.cases.case import Case
from tests.runtime.kernels.cuda.checks import Check, of_few_forms
from tests.runtime.kernels.cuda.conftest import Say
from tests.runtime.kernels.cuda.on_cpu import Module, compiler, load_all
from tests.runtime.kernels.cuda.running import functions_of
from tests.runtime.kernels.cuda.tracing import moved

# Those that leave some of their arrays alone: labels that are ignored, images that no index takes, pixels that no window sees or
# region covers.
PARTLY = {
    "accuracy_hits", "embed", "image_transform", "image_transform_shifted", "infogain_backward", "infogain_terms",
    "likelihood_terms", "pool_ave_backward", "pool_ave_forward", "pool_max_backward", "pool_max_backward_relu",
    "pool_max_backward_relu_bias", "pool_max_forward",
    "pool_stochastic_forward", "pool_weighted_forward", "sigmoid_cross_entropy_backward", "sigmoid_cross_entropy_terms",
    "softmax_loss", "softmax_loss_backward", "take_images", "roi_max_forward", "roi_max_backward", "roi_align_forward",
    "roi_align_backward", "psroi_forward", "psroi_backward", "interp_forward", "unpool_forward", "unpool_backward",
}  # fmt: skip


@pytest.fixture(scope="module")
def aligned(checks: list[Check]) -> list[Check]:
    """The checks of kernels that take packs of four, where there are such: what a kernel moves does not depend on it."""
    return of_few_forms(check for check in checks if check.aligned and not any("<1," in name for name in check.functions))


@pytest.fixture(scope="module")
def traced(aligned: list[Check]) -> dict[str, Module]:
    """The kernels, telling what they touch."""
    return load_all(functions_of(check.plan for check in aligned), "traced")


def instruction(case: Case) -> Instruction:
    arrays = tuple(Buffer(str(i), spec.shape, "input", spec.dtype) for i, spec in enumerate(case.arrays))
    return Instruction(case.kernel, arrays, (), case.constants)


@pytest.mark.slow
def test_bytes_are_those_that_kernels_move(aligned: list[Check], traced: dict[str, Module], say: Say) -> None:
    nearest: dict[str, float] = defaultdict(float)
    for check in aligned:
        predicted = launches(instruction(check.case), check.case.target)
        for cost, count in zip(predicted, moved(check, traced), strict=True):
            if count is None:  # a matrix product
                continue
            if check.case.kernel in PARTLY:
                assert count <= cost.bytes, check.case
                nearest[check.case.kernel] = max(nearest[check.case.kernel], count / cost.bytes)
            else:
                assert count == cost.bytes, check.case
    assert set(nearest) == PARTLY and set(nearest.values()) == {1.0}
    assert {check.case.kernel for check in aligned} == set(CUDA_KERNELS)
    say(f"CUDA kernels' bytes counted as they run, and no races: {len(aligned)} runs, all as predicted, {' '.join(compiler())}")
