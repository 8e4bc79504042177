"""Every CUDA kernel, run on the CPU from its own source, gives the CPU kernel's numbers: any shape, any alignment, any order."""

from __future__ import annotations

import pytest

from runtime.devices.cpu import load_kernels
from runtime.kernels.cuda.registry import CUDA_KERNELS, load_plans
from runtime.kernels.registry import CPU_KERNELS
from tests.runtime.kernels.cuda.cases import all_cases
from tests.runtime.kernels.cuda.checks import Check, compare, on_cpu, on_cuda
from tests.runtime.kernels.cuda.on_cpu import Module

ORDERS = (0, 1)  # seeds: backwards, and shuffled
KERNELS = sorted({case.kernel for case in all_cases()})


def test_every_plan_has_cases() -> None:
    load_plans()
    assert sorted(CUDA_KERNELS) == KERNELS


@pytest.mark.parametrize("kernel", KERNELS)
def test_same_numbers(kernel: str, checks: list[Check], modules: dict[str, Module]) -> None:
    mine = [check for check in checks if check.case.kernel == kernel]
    assert mine
    for check in mine:
        want = on_cpu(check.case)
        for seed in ORDERS:
            compare(check.case, on_cuda(check, modules, seed), want, f"shifted by {check.shift}, order {seed}")


def test_every_instruction_of_the_cpu_has_a_plan() -> None:
    load_kernels()
    load_plans()
    assert set(CPU_KERNELS) - set(CUDA_KERNELS) == {"random_fill"}  # NumPy's own generator: the device lets the host do it
