"""A case planned for arrays at certain addresses, run on the CPU's kernel and on CUDA's, and compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from runtime.kernels.cuda.registry import Launch, Plan, plan
from runtime.kernels.operand import Operand
from runtime.ops.halves.forms import widen_bf16
from tests.runtime.harness import run_plan as run_plan_on_cpu
from tests.runtime.kernels.cuda.cases import all_cases
from tests.runtime.kernels.cuda.cases.case import Case
from tests.runtime.kernels.cuda.on_cpu import Module
from tests.runtime.kernels.cuda.running import Arrays, Memory, arrays_of, run_plan

ENOUGH = 20000  # numbers
HALF_CLOSE = 2.0**-8  # of bfloat16
FORMS = 2  # of each way: their windows, slices and flags


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
    checks = [check for pair in pairs() for check in pair]
    largest: dict[tuple[str, ...], Check] = {}
    for check in checks:
        way = tuple(function.split("<")[0] for function in check.functions)
        packs = way and not any(re.search("<1[,>]", function) for function in check.functions)
        if check.aligned and packs and (way not in largest or work(largest[way].case) < work(check.case)):
            largest[way] = check
    return checks + [beside for check in largest.values() for beside in one_by_one(check.case)]


def of_few_forms(checks: Iterable[Check]) -> list[Check]:
    """Those of the first forms of each way through a plan; a way's other forms differ in compile-time constants alone."""
    forms: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    chosen = []
    for check in checks:
        way = tuple(re.sub(r"<(\d+).*", r"<\1", function) for function in check.functions)
        known = forms.setdefault(way, set())
        if len(known) < FORMS or tuple(check.functions) in known:
            known.add(tuple(check.functions))
            chosen.append(check)
    return chosen


def pairs() -> Iterator[list[Check]]:
    """Each case at aligned addresses, and at others where these need other functions; each function once at others at least."""
    made = [(planned(case, 0), planned(case, int(not case.aligned))) for case in all_cases()]
    moved = {function for aligned, other in made if other.functions != aligned.functions for function in other.functions}
    for aligned, other in made:
        again = other.functions == aligned.functions and moved.issuperset(other.functions)
        moved.update(other.functions)
        yield [aligned] if again else [aligned, other]


def size(case: Case) -> int:
    return sum(prod(spec.shape) for spec in case.arrays)


def work(case: Case) -> int:
    """More is better for what is run once for each array: many packs, but not so many that it takes long."""
    return size(case) if size(case) <= ENOUGH else -size(case)


def planned(case: Case, shift: int) -> Check:
    """The case with all arrays so many numbers after an aligned address."""
    return shifted(case, (shift,) * len(case.arrays))


def one_by_one(case: Case) -> Iterator[Check]:
    """The case with one array after another beside an aligned address, as a run of another array's rows may lie."""
    if case.aligned:
        return
    places = {**{index: index for index in range(len(case.arrays))}, **dict(case.aliases)}
    for index in sorted(set(places.values())):
        yield shifted(case, tuple(int(places[other] == index) for other in range(len(case.arrays))))


def shifted(case: Case, shifts: tuple[int, ...]) -> Check:
    arrays = zip(case.arrays, shifts, strict=True)
    operands = [Operand(spec.shape, spec.dtype, shift * spec.item) for spec, shift in arrays]
    return Check(case, shifts, plan(case.kernel, operands, case.constants, case.target))


def on_cpu(case: Case) -> list[np.ndarray]:
    """All arrays after the CPU's kernels."""
    arrays = widened(case, case.values())
    run_plan_on_cpu(case.kernel, arrays, case.constants)
    return arrays


def widened(case: Case, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A case's arrays with those of bfloat16 as float32, an array that stands twice once."""
    made = {id(array): widen_bf16(array) if index in case.narrow else array for index, array in enumerate(arrays)}
    return [made[id(array)] for array in arrays]


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
        return widened(check.case, [arrays[index].copy() for index in range(len(check.case.arrays))])


def compare(case: Case, got: Sequence[np.ndarray], want: Sequence[np.ndarray], where: Any = "") -> None:
    """Every array of the instruction, those included that it must not change."""
    for index, (mine, cpus) in enumerate(zip(got, want, strict=True)):
        what = f"{case}, array {index} {where}"
        if case.close == 0 or cpus.dtype.kind != "f":
            np.testing.assert_array_equal(mine, cpus, what)
            continue
        assert (np.isnan(mine) == np.isnan(cpus)).all(), f"{what}: NaN in only one of the two"
        apart = np.nanmax(np.abs(mine - cpus) / np.maximum(1, np.abs(cpus)), initial=0)
        close = max(case.close, HALF_CLOSE) if index in case.narrow else case.close
        assert apart <= close, f"{what}: {apart:.2g} apart"
