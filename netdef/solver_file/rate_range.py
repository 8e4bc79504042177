"""Find the first iteration whose learning rate is negative, complex or infinite, without computing the rate of each."""

from __future__ import annotations

import math
from typing import Any

from netdef.solver_file.learning_rate import LearningRate, is_usable, unusable


def first_unusable(solver: Any) -> str:
    """The message about the first rate of a run that cannot be used; "" if all can."""
    if solver.lr_policy == "plateau":
        return _after_plateaus(solver)
    good = -1
    for bad in _suspects(solver):
        if is_usable(_rate(solver, bad)):
            good = bad
            continue
        while bad - good > 1:  # between two suspects the formulas are monotonic
            middle = (good + bad) // 2
            good, bad = (middle, bad) if is_usable(_rate(solver, middle)) else (good, middle)
        return unusable(solver, f"iteration {bad}", _rate(solver, bad))
    return ""


def field_of_rate(solver: Any) -> tuple[str, tuple[int, ...]]:
    """The field that makes a rate unusable, and the index of its value where it has several."""
    if solver.lr_policy == "multifixed":
        return "stagelr", tuple(index for index, rate in enumerate(solver.stagelr) if not is_usable(rate))[:1]
    return "power" if solver.lr_policy == "poly" or (solver.lr_policy == "inv" and solver.gamma >= 0) else "gamma", ()


def _after_plateaus(solver: Any) -> str:
    """The same for the policy whose rate depends on the tests."""
    rate = LearningRate(solver)
    for rate.stage in range(1 + solver.plateau_max):
        if not is_usable(value := rate.unchecked(max(solver.warmup_iter, solver.rampup_interval))):
            return unusable(solver, f"training after plateau {rate.stage}", value)
    return ""


def _rate(solver: Any, iteration: int) -> float | complex:
    rate = LearningRate(solver)
    rate.stage = sum(value <= iteration for value in solver.stepvalue)
    return rate.unchecked(iteration)


def _suspects(solver: Any) -> list[int]:
    """The iterations of a run at which a formula may change its sign or direction, in order; the last one is among them."""
    first = max(solver.warmup_iter, solver.rampup_interval)  # without warm-up
    last = max(0, solver.max_iter - 1)
    found = {0, first, first + 1, last, *solver.stepvalue, *(stage + 1 for stage in solver.stageiter)}
    if solver.lr_policy in ("step", "sigmoid"):
        found.add((first // solver.stepsize + 1) * solver.stepsize)
    if solver.lr_policy == "inv" and solver.gamma < 0:
        zero = math.floor(-1 / solver.gamma)
        found |= {zero, zero + 1}
    return sorted(iteration for iteration in found if 0 <= iteration <= last)
