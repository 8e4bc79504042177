"""Check that a solver can run: known types and policies, the fields that these need, numbers in their ranges."""

from __future__ import annotations

import math
from typing import Any

from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.reach import refuses_outside
from netdef.language.spelling import did_you_mean
from netdef.language.units import plural, times
from netdef.schema import is_repeated
from netdef.solver_file import fields
from netdef.solver_file.fields import is_given
from netdef.solver_file.learning_rate import USABLE
from netdef.solver_file.nets import test_count, tests_all_data
from netdef.solver_file.rate_range import field_of_rate, first_unusable
from netdef.solver_file.reach import reaches


def check_solver(bound: Any) -> None:
    """Check that a solver can run: known types and policies, the fields that these need, numbers in their ranges.

    Raises
    ------
    NetdefError: with all errors.
    """
    solver, errors = bound.message, []

    def wrong(text: str, field: str = "", hint: str = "", *inside: int) -> None:
        errors.append(Diagnostic(text, bound.position((field, *inside)) if field else None, hint, code="ND301"))

    given = [field for field in fields.NETS if solver.HasField(field)]
    if len(given) > 1:
        wrong(f"{given[0]} and {given[1]} both name the net to train", given[1], "keep one of them")
    if not solver.HasField("base_lr") and solver.lr_policy != "multifixed":
        wrong("base_lr, the initial learning rate, is missing", hint="add base_lr: 0.01, say")
    elif solver.base_lr < 0:
        wrong(f"base_lr {solver.base_lr:g} must not be negative", "base_lr")
    _check_policy(solver, wrong)
    _check_warm_up(solver, wrong)
    _check_type(solver, wrong)
    if solver.regularization_type not in fields.REGULARIZATIONS:
        text = f"unknown regularization_type {solver.regularization_type!r}"
        wrong(text, "regularization_type", _listed("types", fields.REGULARIZATIONS))
    for field, value in solver.ListFields():
        for number in (value if is_repeated(field) else [value]) if field.cpp_type == field.CPPTYPE_FLOAT else ():
            if not math.isfinite(number):
                wrong(f"{field.name} must be a number, not {number:g}", field.name)
    for field, least in fields.AT_LEAST.items():
        if solver.HasField(field) and getattr(solver, field) < least:
            wrong(f"{field} must be at least {least}, not {getattr(solver, field):g}", field)
    _check_tests(solver, wrong)
    if refuses_outside():
        errors.extend(reaches(bound))
    if not errors and (text := first_unusable(solver)):
        field, inside = field_of_rate(solver)
        wrong(text, field, USABLE, *inside)
    if errors:
        raise NetdefError(errors)


def _check_policy(solver: Any, wrong: Any) -> None:
    policy = solver.lr_policy
    if not policy:
        wrong("lr_policy, the schedule of the learning rate, is missing", hint=_listed("policies", fields.POLICIES))
    elif policy not in fields.POLICIES:
        hint = did_you_mean(policy, fields.POLICIES) or _listed("policies", fields.POLICIES)
        wrong(f"unknown lr_policy {policy!r}", "lr_policy", hint)
    for field in fields.POLICIES.get(policy, ()):
        if not is_given(solver, field):
            wrong(f"lr_policy {policy} needs {field}", "lr_policy", f"add {field}")
    for field in ("stepvalue", "stageiter"):
        values = list(getattr(solver, field))
        if values != sorted(values):
            wrong(f"{field} must grow: {', '.join(map(str, values))}", field)
    if policy == "multifixed" and len(solver.stagelr) != len(solver.stageiter):
        text = f"stagelr is given {times(len(solver.stagelr))}, stageiter {times(len(solver.stageiter))}"
        wrong(text, "stageiter", "a stage has one of each")
    falls = policy in ("poly", "cosine") and solver.HasField("base_lr")
    if falls and solver.min_lr > solver.base_lr:
        wrong(f"min_lr {solver.min_lr:g} is more than base_lr {solver.base_lr:g}", "min_lr", f"lr_policy {policy} decreases to it")


def _check_warm_up(solver: Any, wrong: Any) -> None:
    given = [field for field in fields.WARM_UPS if getattr(solver, field)]
    if len(given) > 1:
        wrong(f"{given[0]} and {given[1]} both ask for a warm-up", given[1], "keep one of them")
    if given and not solver.HasField("base_lr"):
        wrong(f"{given[0]} warms up to base_lr, which is missing", given[0], "add base_lr")


def _check_type(solver: Any, wrong: Any) -> None:
    kind = solver.type
    if kind not in fields.TYPES:
        wrong(f"unknown solver type {kind!r}", "type", did_you_mean(kind, fields.TYPES) or _listed("types", fields.TYPES))
    if kind in fields.TYPES_WITHOUT_MOMENTUM and solver.momentum:
        wrong(f"solver type {kind} has no momentum", "momentum", "drop momentum, or take type: SGD")
    for field in fields.BELOW_ONE.get(kind, ()):
        if getattr(solver, field) >= 1:
            wrong(f"{field} must be below 1 with solver type {kind}, not {getattr(solver, field):g}", field)
    if solver.larc_policy not in fields.LARC_POLICIES:
        wrong(f"unknown larc_policy {solver.larc_policy!r}", "larc_policy", _listed("policies", fields.LARC_POLICIES))
    if solver.larc and solver.local_lr_auto:
        wrong("larc and local_lr_auto both scale the rate of each weight array", "local_lr_auto", "keep one of them")


def _check_tests(solver: Any, wrong: Any) -> None:
    """Check that test_iter has one value for each test net."""
    tests = test_count(solver)
    if len(solver.test_iter) and not tests:
        wrong("test_iter is given, but no net to test", "test_iter", "add test_net, or name the net to train as net")
    elif len(solver.test_iter) != tests and not tests_all_data(solver):
        wrong(f"{plural(tests, 'net')} tested, test_iter given {times(len(solver.test_iter))}", "test_iter")
    if len(solver.test_state) not in (0, max(tests, 1)):
        wrong(f"{plural(tests, 'net')} tested, test_state given {times(len(solver.test_state))}", "test_state")
    if len(solver.test_iter) and min(solver.test_iter) < 0:
        wrong("test_iter must be at least 0", "test_iter")


def _listed(what: str, names: Any) -> str:
    return f"{what}: {', '.join(names)}"
