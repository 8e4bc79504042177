"""A case planned for arrays at certain addresses, run on the CPU's kernel and on CUDA's, and compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from runtime.kernels.cuda.registry import Launch, Plan, plan
from runtime.kernels.operand import Operand
from tests.runtime.harness import run_plan as run_plan_on_cpu
from tests.runtime.kernels.cuda.cases import all_cases
from tests.runtime.kernels.cuda.cases.case import Case
from tests.runtime.kernels.cuda.on_cpu import Module
from tests.runtime.kernels.cuda.running import Arrays, Memory, arrays_of, run_plan


@dataclass(frozen=True)
class Check:
    """A case, and how many numbers each of its arrays starts after an aligned address."""

    case: Case
    shifts: tuple[int, ...]
    plan: Plan

    @property
    def aligned(self) -> bool:
        return not any(self.shifts)

    @property
    def functions(self) -> list[str]:
        """What it launches."""
        return [launch.function for launch in self.plan.launches if isinstance(launch, Launch)]


def all_checks() -> list[Check]:
    """Each case with all arrays at aligned addresses and with none; of each way through a plan one with each array beside one."""
    checks = [planned(case, shift) for case in all_cases() for shift in (0, 1)]
    largest: dict[tuple[str, ...], Check] = {}
    for check in checks:
        way = tuple(function.split("<")[0] for function in check.functions)
        packs = way and not any(re.search("<1[,>]", function) for function in check.functions)
        if check.aligned and packs and (way not in largest or size(largest[way].case) < size(check.case)):
            largest[way] = check
    return checks + [beside for check in largest.values() for beside in one_by_one(check.case)]


def size(case: Case) -> int:
    return sum(prod(spec.shape) for spec in case.arrays)


def planned(case: Case, shift: int) -> Check:
    """The case with all arrays so many numbers after an aligned address."""
    return shifted(case, (shift,) * len(case.arrays))


def one_by_one(case: Case) -> Iterator[Check]:
    """The case with one array after another beside an aligned address, as a run of another array's rows may lie."""
    places = {**{index: index for index in range(len(case.arrays))}, **dict(case.aliases)}
    for index in sorted(set(places.values())):
        yield shifted(case, tuple(int(places[other] == index) for other in range(len(case.arrays))))


def shifted(case: Case, shifts: tuple[int, ...]) -> Check:
    arrays = zip(case.arrays, shifts, strict=True)
    operands = [Operand(spec.shape, spec.dtype, shift * np.dtype(spec.dtype).itemsize) for spec, shift in arrays]
    return Check(case, shifts, plan(case.kernel, operands, case.constants, case.target))


def on_cpu(case: Case) -> list[np.ndarray]:
    """All arrays after the CPU's kernels."""
    arrays = case.values()
    run_plan_on_cpu(case.kernel, arrays, case.constants)
    return arrays


def folded(planned: Plan) -> Plan:
    """The plan with every grid one block high, as for more rows than a grid can have: kernels go on to the rows beyond."""
    launches = (replace(s, grid=(s.grid[0], 1, 1)) if isinstance(s, Launch) else s for s in planned.launches)
    return replace(planned, launches=tuple(launches))


def placed(check: Check, memory: Memory) -> Arrays:
    """What its plan's pointers mean, the arrays where the check has them."""
    copies: dict[int, np.ndarray] = {}
    arrays = []
    for array, shift in zip(check.case.values(), check.shifts, strict=True):
        if id(array) not in copies:
            copies[id(array)] = memory.copy(array, shift)
        arrays.append(copies[id(array)])
    return arrays_of(check.plan, arrays, check.case.constants, memory)


def on_cuda(check: Check, modules: Mapping[str, Module], seed: int) -> list[np.ndarray]:
    """All arrays after CUDA's kernels."""
    with Memory() as memory:
        arrays = placed(check, memory)
        run_plan(check.plan, arrays, modules, seed)
        return [arrays[index].copy() for index in range(len(check.case.arrays))]


def compare(case: Case, got: Sequence[np.ndarray], want: Sequence[np.ndarray], where: Any = "") -> None:
    """Every array of the instruction, those included that it must not change."""
    for index, (mine, cpus) in enumerate(zip(got, want, strict=True)):
        what = f"{case}, array {index} {where}"
        if case.close == 0 or cpus.dtype.kind != "f":
            np.testing.assert_array_equal(mine, cpus, what)
            continue
        assert (np.isnan(mine) == np.isnan(cpus)).all(), f"{what}: NaN in only one of the two"
        apart = np.nanmax(np.abs(mine - cpus) / np.maximum(1, np.abs(cpus)), initial=0)
        assert apart <= case.close, f"{what}: {apart:.2g} apart"
