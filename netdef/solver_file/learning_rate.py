"""The learning rate of each iteration, by Caffe's policies, those of its forks and one of ours, `plateau`.

Formulas: base_lr times
    fixed      1
    step       gamma ** (iteration // stepsize)
    exp        gamma ** iteration
    inv        (1 + gamma * iteration) ** -power
    multistep  gamma ** (how many of stepvalue have been reached)
    sigmoid    1 / (1 + exp(-gamma * (iteration - stepsize)))
    plateau    gamma ** (how often the test metric stopped improving for plateau_patience tests, at most plateau_max)
min_lr plus base_lr - min_lr times
    poly       (1 - iteration / max_iter) ** power
    cosine     (1 + cos(pi * iteration / max_iter)) / 2        (Loshchilov and Hutter 2017, arXiv 1608.03983, one period)
and
    multifixed stagelr of the first stage whose stageiter is not yet passed, the last one's beyond    (Intel's Caffe)

A warm-up replaces the first iterations of any policy, which goes on as if it had held from the start:
    warmup_iter      warmup_start_lr + (base_lr - warmup_start_lr) * iteration / warmup_iter          (Intel's Caffe)
    rampup_interval  rampup_lr + (base_lr - rampup_lr) * (iteration / rampup_interval) ** 2           (NVIDIA's Caffe)
No rate is below min_lr (NVIDIA's Caffe).
"""

import math
from collections.abc import Callable
from typing import Any

from netdef.language.diagnostics import NetdefError

MOST = 3.4028234663852886e38  # of float32
USABLE = "a rate is a number of at least 0"


class LearningRate:
    """The rate of a run: a policy, and the stage that it has reached.

    Parameters
    ----------
    solver: a SolverParameter message, checked (netdef/solver_file/checking.py).
    """

    def __init__(self, solver: Any) -> None:
        self.solver = solver
        self.stage = 0  # what a .solverstate calls current_step
        self.best: float | None = None
        self.tests_since_best = 0

    def at(self, iteration: int) -> float:
        """The rate of an iteration; iterations are asked for in order.

        Raises
        ------
        NetdefError: it is negative, complex, not finite or beyond float32.
        """
        rate = self.unchecked(iteration)
        if not is_usable(rate):
            raise NetdefError(unusable(self.solver, f"iteration {iteration}", rate), hint=USABLE)
        assert not isinstance(rate, complex)
        return rate

    def unchecked(self, iteration: int) -> float | complex:
        """The rate of an iteration, usable or not: infinity where a number is too large or divided by 0."""
        rate: float | complex | None = warm_up(self.solver, iteration)
        if rate is None:
            try:
                rate = POLICIES[self.solver.lr_policy](self, self.solver, iteration)
            except (OverflowError, ZeroDivisionError):
                rate = math.inf
        if isinstance(rate, complex) or not is_usable(rate):
            return rate
        return max(rate, self.solver.min_lr)

    def observe(self, metric: float, higher_is_better: bool) -> bool:
        """Take note of a test's result; returns whether `plateau` lowered the rate because of it."""
        value = metric if higher_is_better else -metric
        if not math.isnan(value) and (self.best is None or value > self.best):
            self.best, self.tests_since_best = value, 0
            return False
        self.tests_since_best += 1
        if self.solver.lr_policy != "plateau" or self.tests_since_best < self.solver.plateau_patience:
            return False
        self.tests_since_best = 0
        if self.stage >= self.solver.plateau_max:
            return False
        self.stage += 1
        return True

    def state(self) -> dict[str, Any]:
        """What a snapshot must keep, as JSON."""
        return {"step": self.stage, "best": self.best, "tests_since_best": self.tests_since_best}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state()`; keys that an older file or Caffe's lacks keep their first values."""
        self.stage = state.get("step", 0)
        self.best = state.get("best")
        self.tests_since_best = state.get("tests_since_best", 0)


def is_usable(rate: float | complex) -> bool:
    """Whether a rate is a number of at least 0 that float32 can hold."""
    return not isinstance(rate, complex) and 0 <= rate <= MOST


def unusable(solver: Any, when: str, rate: float | complex) -> str:
    """The message about a rate that is not usable."""
    if isinstance(rate, complex):
        text = "a complex number"
    else:
        text = "infinite" if rate > MOST else "not a number" if math.isnan(rate) else f"{rate:g}"
    return f"lr_policy {solver.lr_policy}: the rate of {when} is {text}"


def warm_up(solver: Any, iteration: int) -> float | None:
    """The rate of an iteration of the warm-up; None behind it, or where there is none."""
    if iteration < solver.warmup_iter:
        return solver.warmup_start_lr + (solver.base_lr - solver.warmup_start_lr) * iteration / solver.warmup_iter
    if iteration < solver.rampup_interval:
        return solver.rampup_lr + (solver.base_lr - solver.rampup_lr) * (iteration / solver.rampup_interval) ** 2
    return None


def fixed(rate: LearningRate, solver: Any, iteration: int) -> float:
    return solver.base_lr


def step(rate: LearningRate, solver: Any, iteration: int) -> float:
    rate.stage = iteration // solver.stepsize
    return solver.base_lr * solver.gamma**rate.stage


def exp(rate: LearningRate, solver: Any, iteration: int) -> float:
    return solver.base_lr * solver.gamma**iteration


def inv(rate: LearningRate, solver: Any, iteration: int) -> float:
    return solver.base_lr * (1 + solver.gamma * iteration) ** -solver.power


def multistep(rate: LearningRate, solver: Any, iteration: int) -> float:
    # One stage an iteration at most, as in Caffe, which counts them rather than computing them from the iteration.
    if rate.stage < len(solver.stepvalue) and iteration >= solver.stepvalue[rate.stage]:
        rate.stage += 1
    return solver.base_lr * solver.gamma**rate.stage


def poly(rate: LearningRate, solver: Any, iteration: int) -> float:
    return solver.min_lr + (solver.base_lr - solver.min_lr) * (1 - progress(solver, iteration)) ** solver.power


def cosine(rate: LearningRate, solver: Any, iteration: int) -> float:
    return solver.min_lr + (solver.base_lr - solver.min_lr) * (1 + math.cos(math.pi * progress(solver, iteration))) / 2


def progress(solver: Any, iteration: int) -> float:
    """The fraction of training that is done; 1 past max_iter, where a run goes on."""
    return min(1.0, iteration / max(1, solver.max_iter))


def sigmoid(rate: LearningRate, solver: Any, iteration: int) -> float:
    exponent = -solver.gamma * (iteration - solver.stepsize)
    return solver.base_lr / (1 + math.exp(min(exponent, 700)))


def plateau(rate: LearningRate, solver: Any, iteration: int) -> float:
    return solver.base_lr * solver.gamma**rate.stage


def multifixed(rate: LearningRate, solver: Any, iteration: int) -> float:
    stages = zip(solver.stageiter, solver.stagelr, strict=True)
    return next((stage_rate for last, stage_rate in stages if iteration <= last), solver.stagelr[-1])


POLICIES: dict[str, Callable[[LearningRate, Any, int], float]] = {
    "fixed": fixed,
    "step": step,
    "exp": exp,
    "inv": inv,
    "multistep": multistep,
    "poly": poly,
    "sigmoid": sigmoid,
    "plateau": plateau,
    "cosine": cosine,
    "multifixed": multifixed,
}
