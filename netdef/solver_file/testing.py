"""When training tests: for `netdef check` and for training the same rule."""

from __future__ import annotations

from typing import Any

from netdef.solver_file.nets import test_count

NEVER = 1_000_000  # an interval from here on, beyond max_iter, is how a solver says that it wants no tests


def is_test_due(solver: Any, iteration: int) -> bool:
    """Whether the test nets of a SolverParameter are tested before an iteration, counted from 0."""
    if not test_count(solver) or solver.test_interval <= 0 or iteration % solver.test_interval:
        return False
    return iteration > 0 or solver.test_initialization


def rare_tests(solver: Any) -> tuple[str, str]:
    """The field that keeps training from testing while it goes on, and when it tests instead; "" and "" if it does test then.

    `netdef train` tests once more at the end, whichever the interval.
    """
    if not test_count(solver):
        return "", ""
    if solver.test_interval <= 0:
        given = "test_iter" if len(solver.test_iter) else "test_net"
        return "test_interval", f"{given} is given without test_interval: the only test is at the end of training"
    if not 0 < solver.max_iter < solver.test_interval or solver.test_interval >= NEVER:
        return "", ""
    when = "tests are only before training and at its end" if is_test_due(solver, 0) else "the only test is at the end of training"
    return "test_interval", f"test_interval {solver.test_interval} is beyond max_iter {solver.max_iter}: {when}"
