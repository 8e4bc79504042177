"""Every CUDA kernel, run on the CPU from its own source, gives the CPU kernel's numbers: any shape, any alignment, any order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.devices.cpu import load_kernels
from runtime.kernels.cuda.registry import CUDA_KERNELS, load_plans
from runtime.kernels.registry import CPU_KERNELS
from tests.runtime.kernels.cuda.cases import all_cases
from tests.runtime.kernels.cuda.checks import Check, compare, folded, on_cpu, on_cuda
from tests.runtime.kernels.cuda.on_cpu import Module

KERNELS = sorted({case.kernel for case in all_cases()})


def test_every_plan_has_cases() -> None:
    load_plans()
    assert sorted(CUDA_KERNELS) == KERNELS


@pytest.mark.parametrize("kernel", KERNELS)
def test_same_numbers(kernel: str, checks: list[Check], modules: dict[str, Module]) -> None:
    mine = [check for check in checks if check.case.kernel == kernel]
    assert mine
    for check in mine:
        first = on_cuda(check, modules, 0)
        compare(check.case, first, on_cpu(check.case), f"shifted by {check.shift}")
        for seed, other in ((1, check), (3, replace(check, plan=folded(check.plan)))):  # 0: backwards; others: shuffled
            for array, same in zip(on_cuda(other, modules, seed), first, strict=True):
                assert array.tobytes() == same.tobytes(), f"{check.case}: bits depend on the order of threads, or on the grid"


def test_every_instruction_of_the_cpu_has_a_plan() -> None:
    load_kernels()
    load_plans()
    assert set(CPU_KERNELS) - set(CUDA_KERNELS) == {"random_fill"}  # NumPy's own generator: the device lets the host do it
