"""Solver files: read, checked, and followed to the network they name."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from netdef.language import Bound, read_file
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.find import find_beside, models_folder, shown
from netdef.language.spelling import did_you_mean
from netdef.language.units import plural, times

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
REGULARIZATIONS = ("L1", "L2")
POLICIES: dict[str, tuple[str, ...]] = {  # what each needs beside base_lr
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power", "max_iter"),
    "sigmoid": ("gamma", "stepsize"),
    "plateau": ("gamma", "test_interval"),
}
NETS = ("net", "net_param", "train_net", "train_net_param")
AT_LEAST = {"iter_size": 1, "average_loss": 1, "stepsize": 1, "max_iter": 0, "test_interval": 0, "snapshot": 0,
            "display": 0, "momentum": 0, "weight_decay": 0, "plateau_patience": 1, "plateau_max": 0}  # fmt: skip


def load_solver(path: str | os.PathLike[str]) -> Any:
    """The SolverParameter in a file, with the places of its fields: `.message` and `.position(path)`.

    Parameters
    ----------
    path: a solver file, or the name of one that comes with netdef, such as "solver".

    Raises
    ------
    NetdefError: with everything that is wrong in the file.
    """
    bound = read_solver(path)
    bound.announce()
    check_solver(bound)
    return bound


def read_solver(path: str | os.PathLike[str]) -> Bound:
    """The same, as far as the text goes: whether it can be run is not looked at."""
    file = Path(path)
    packaged = models_folder() / f"{file.name.removesuffix('.txt')}.txt"
    if not os.path.exists(file) and file.name == str(path) and os.path.isfile(packaged):
        file = shown(packaged)
    return read_file(file, "SolverParameter")


def check_solver(bound: Any) -> None:
    """Whether a solver can be run: types and policies known, what they need there, numbers within reason.

    Raises
    ------
    NetdefError: with every mistake.
    """
    solver, errors = bound.message, []

    def wrong(text: str, field: str = "", hint: str = "") -> None:
        errors.append(Diagnostic(text, bound.position((field,)) if field else None, hint, code="ND301"))

    given = [field for field in NETS if solver.HasField(field)]
    if len(given) > 1:
        wrong(f"{given[0]} and {given[1]} both name the net to train", given[1], "keep one of them")
    if not solver.HasField("base_lr"):
        wrong("base_lr, the learning rate to start from, is missing", hint="add base_lr: 0.01, say")
    elif solver.base_lr < 0:
        wrong(f"base_lr {solver.base_lr:g} must not be negative", "base_lr")
    _check_policy(solver, wrong)
    if solver.type not in TYPES:
        wrong(f"unknown solver type {solver.type!r}", "type", did_you_mean(solver.type, TYPES) or _listed("types", TYPES))
    if solver.regularization_type not in REGULARIZATIONS:
        text = f"unknown regularization_type {solver.regularization_type!r}"
        wrong(text, "regularization_type", _listed("types", REGULARIZATIONS))
    for field, value in solver.ListFields():
        if field.cpp_type == field.CPPTYPE_FLOAT and not math.isfinite(value):
            wrong(f"{field.name} must be a number, not {value:g}", field.name)
    for field, least in AT_LEAST.items():
        if solver.HasField(field) and getattr(solver, field) < least:
            wrong(f"{field} must be at least {least}, not {getattr(solver, field):g}", field)
    _check_tests(solver, wrong)
    if errors:
        raise NetdefError(errors)


def _check_policy(solver: Any, wrong: Any) -> None:
    policy = solver.lr_policy
    if not policy:
        wrong("lr_policy is missing: it says how the rate goes down", hint=_listed("policies", POLICIES))
    elif policy not in POLICIES:
        hint = did_you_mean(policy, POLICIES) or _listed("policies", POLICIES)
        wrong(f"unknown lr_policy {policy!r}", "lr_policy", hint)
    for field in POLICIES.get(policy, ()):
        value = getattr(solver, field)
        there = len(value) if field == "stepvalue" else solver.HasField(field)
        if not there:
            wrong(f"lr_policy {policy} needs {field}", "lr_policy", f"add {field}")
    steps = list(solver.stepvalue)
    if steps != sorted(steps):
        wrong(f"stepvalue must grow: {', '.join(map(str, steps))}", "stepvalue")


def _check_tests(solver: Any, wrong: Any) -> None:
    """test_iter has one value for each net that is tested."""
    own = len(solver.test_net) + len(solver.test_net_param)
    shared = max(0, len(solver.test_iter) - own) if solver.HasField("net") or solver.HasField("net_param") else 0
    tests = own + shared
    if tests and len(solver.test_iter) != tests:
        wrong(f"{plural(tests, 'net')} tested, test_iter given {times(len(solver.test_iter))}", "test_iter")
    if len(solver.test_state) not in (0, max(tests, 1)):
        wrong(f"{plural(tests, 'net')} tested, test_state given {times(len(solver.test_state))}", "test_state")
    if solver.test_interval > 0 and not len(solver.test_iter):
        wrong("test_interval is given, test_iter is not: how many batches make a test?", "test_interval", "add test_iter")
    if len(solver.test_iter) and min(solver.test_iter) < 1:
        wrong("test_iter must be at least 1", "test_iter")


def net_file(solver: Any, solver_path: str | os.PathLike[str]) -> Path | None:
    """The file of the net that a SolverParameter trains: beside the solver file, or from the current directory.

    None if the solver names no file.

    Raises
    ------
    NetdefError: the file is not there.
    """
    name = solver.net or solver.train_net
    return find_beside(name, Path(solver_path).parent) if name else None


def state_overrides(solver: Any, phase: str, index: int = 0) -> dict[str, Any]:
    """Level and stages of the solver's train_state, or of its test_state number `index`, as overrides for `load`."""
    states = [solver.train_state] if phase == "train" else list(solver.test_state)[index : index + 1]
    result: dict[str, Any] = {}
    for state in states:
        if state.HasField("level"):
            result["state.level"] = state.level
        if len(state.stage):
            result["state.stage"] = list(state.stage)
    return result


def _listed(what: str, names: Any) -> str:
    return f"{what}: {', '.join(names)}"
