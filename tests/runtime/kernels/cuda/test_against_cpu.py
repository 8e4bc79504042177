"""Every CUDA kernel, run on the CPU from its own source, gives the CPU kernel's numbers: any shape, any alignment, any order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.kernels.cpu.registry import plan as plan_on_cpu
from runtime.kernels.cuda.registry import CUDA_KERNELS
from runtime.kernels.operand import Operand
from runtime.kernels.rooms import load_rooms
from runtime.ops.halves.forms import FORMS
from runtime.ops.loss.normalization import NO_LABEL
from runtime.ops.update.product import name_of
from runtime.ops.update.table import ROWS
from tests.runtime.kernels.cuda.cases import all_cases
from tests.runtime.kernels.cuda.cases.case import Case, Spec, out, positive, value
from tests.runtime.kernels.cuda.checks import Check, compare, folded, on_cpu, on_cuda, planned
from tests.runtime.kernels.cuda.on_cpu import Module

KERNELS = sorted({case.kernel for case in all_cases()})


def test_every_plan_has_cases() -> None:
    load_rooms("cuda")
    assert sorted(CUDA_KERNELS) == KERNELS


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
def test_same_numbers(kernel: str, checks: list[Check], modules: dict[str, Module], compared: list[Check]) -> None:
    mine = [check for check in checks if check.case.kernel == kernel]
    assert mine
    for check in mine:
        first = on_cuda(check, modules, 0)
        compare(check.case, first, on_cpu(check.case), f"shifted by {check.shifts}")
        for seed, other in ((1, check), (3, replace(check, plan=folded(check.plan)))):  # 0: backwards; others: shuffled
            for array, same in zip(on_cuda(other, modules, seed), first, strict=True):
                assert array.tobytes() == same.tobytes(), f"{check.case}: bits depend on the order of threads, or on the grid"
        compared.append(check)


def test_every_kernel_of_the_cpu_is_launched_by_an_instruction_of_a_card() -> None:
    load_rooms("cpu")
    plans = (plan_on_cpu(case.kernel, [Operand(s.shape, s.dtype) for s in case.arrays], case.constants) for case in all_cases())
    launched = {launch.kernel.name for made in plans for launch in made.launches}
    hosts = {"random_fill", "select_images", "detect", "propose", "multibox_loss"}  # NumPy on the host, whatever the device
    hosts |= {"prediction_losses", "region_losses", "hardest_regions"}
    elsewhere = {"deal_image", "deal_weights", "join_image", "join_weights"}  # of images larger than the cases': test_phases.py
    elsewhere |= {"transform_tiles", "conv2d_terms"}  # of more threads than the cases have: test_tiles.py
    elsewhere |= {"pack_columns", *map(name_of, ROWS.values())}  # of programs for processors: test_fuse_updates.py
    assert set(CPU_KERNELS) - launched == hosts | elsewhere


@pytest.mark.slow
@pytest.mark.parametrize("label", [-1, 3, np.nan, np.inf, 1e20])
def test_a_label_that_is_no_class_makes_results_nan(label: float, modules: dict[str, Module]) -> None:
    """The CPU's kernels refuse it; a card's cannot, but read nothing there."""
    labels = Spec((2,), lambda random, shape: np.array([0, label]))
    p, ignore = positive(1, 3, 2), {"ignore": NO_LABEL}
    loss = Case("softmax_loss", (p, labels, out(1), out(1)), {**ignore, "divisor": 1.0})
    assert np.isnan(on_cuda(planned(loss, 0), modules, 1)[2])
    gradient = Case("softmax_loss_backward", (p, labels, value(1), value(1), out(1, 3, 2)), ignore)
    dx = on_cuda(planned(gradient, 1), modules, 1)[4]
    assert np.isfinite(dx[0, :, 0]).all() and np.isnan(dx[0, :, 1]).all()
    hits = on_cuda(planned(Case("accuracy_hits", (p, labels, out(2)), {**ignore, "top_k": 1}), 0), modules, 1)[2]
    assert np.isnan(hits[1])
    share = Case("accuracy_mean", (Spec((2,), lambda random, shape: hits), out(1)))
    assert np.isnan(on_cuda(planned(share, 0), modules, 1)[1])


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_half_is_widened_to_the_bits_of_the_cpu(form: str, modules: dict[str, Module]) -> None:
    """The sign of zeros and of infinite numbers too; a NaN is a NaN."""
    every = Spec((1 << 16,), lambda random, shape: np.arange(1 << 16), "uint16")
    case = Case(f"widen_from_{form}", (every, out(1 << 16)))
    made, expected = on_cuda(planned(case, 0), modules, 0)[1], on_cpu(case)[1]
    nothing = np.isnan(expected)
    assert nothing.any() and np.isinf(expected).sum() == 2
    assert np.array_equal(np.isnan(made), nothing)
    assert made[~nothing].tobytes() == expected[~nothing].tobytes()
