"""Read and check solver files, and find the network that one names."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from netdef.language import Bound, read_file
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.find import models_folder, shown
from netdef.language.spelling import did_you_mean
from netdef.language.units import plural, times
from netdef.schema import is_repeated

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW")
TYPES_WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
REGULARIZATIONS = ("L1", "L2")
LARC_POLICIES = ("scale", "clip")
LARC_TYPES = ("SGD", "Nesterov")
POLICIES: dict[str, tuple[str, ...]] = {  # fields that each needs, in addition to base_lr
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power", "max_iter"),
    "sigmoid": ("gamma", "stepsize"),
    "plateau": ("gamma", "test_interval"),
    "cosine": ("max_iter",),
    "multifixed": ("stagelr", "stageiter"),
}
WARM_UPS = {"warmup_iter": "warmup_start_lr", "rampup_interval": "rampup_lr"}  # length, first rate
NETS = ("net", "net_param", "train_net", "train_net_param")
AT_LEAST = {"iter_size": 1, "average_loss": 1, "stepsize": 1, "max_iter": 0, "test_interval": 0, "snapshot": 0,
            "display": 0, "momentum": 0, "weight_decay": 0, "plateau_patience": 1, "plateau_max": 0, "momentum2": 0,
            "rms_decay": 0, "delta": 0, "warmup_iter": 0, "warmup_start_lr": 0, "rampup_interval": 0, "rampup_lr": 0, "min_lr": 0,
            "larc_eta": 0, "local_gw_ratio": 0}  # fmt: skip
BELOW_ONE = {"Adam": ("momentum", "momentum2"), "AdamW": ("momentum", "momentum2"), "RMSProp": ("rms_decay",)}

# Fields of Caffe and of forks that have no effect, and what holds instead.
WITHOUT_EFFECT = {
    "debug_info": "a loss that is not finite names its layer by itself",
    "snapshot_diff": "gradients are not written",
    "eval_type": "tests show the outputs of the test net",
    "ap_version": "no average precision is computed",
    "show_per_class_result": "an Accuracy layer with a second top shows each class",
    "plateau_winsize": "the policy plateau counts tests: plateau_patience",
    "momentum_policy": "momentum stays",
    "max_momentum": "momentum stays",
    "momentum_power": "momentum stays",
    "weight_decay_policy": "weight_decay stays",
    "weight_decay_power": "weight_decay stays",
    "max_weight_decay": "weight_decay stays",
    "larc_turbo": "LARC's rate depends only on the norms",
    "solver_data_type": "all numbers are float32",
    "default_forward_type": "all numbers are float32",
    "default_backward_type": "all numbers are float32",
    "default_forward_math": "all numbers are float32",
    "default_backward_math": "all numbers are float32",
    "test_and_snapshot_last_epochs": "test_interval and snapshot hold to the end",
    "max_epoch": "max_iter ends training",
    "epoch_size": "iterations are counted, not epochs",
    "test_epoch_size": "test_iter counts the batches of a test",
    "test_interval_epoch": "test_interval counts iterations",
    "test_offset": "the first test comes at iteration 0, or after test_interval",
    "disabled_update": "weights are updated",
    "engine": "--devices says what computes",
}


def load_solver(path: str | os.PathLike[str]) -> Any:
    """The SolverParameter in a file, with the positions of its fields: `.message` and `.position(path)`.

    Parameters
    ----------
    path: a solver file, or the name of one of the package, such as "solver".

    Raises
    ------
    NetdefError: with all errors of the file.
    """
    bound = read_solver(path)
    bound.announce()
    check_solver(bound)
    return bound


def read_solver(path: str | os.PathLike[str]) -> Bound:
    """The same without `check_solver`: only errors of the text are raised."""
    file = Path(path)
    packaged = models_folder() / f"{file.name.removesuffix('.txt')}.txt"
    if not os.path.exists(file) and file.name == str(path) and os.path.isfile(packaged):
        file = shown(packaged)
    return read_file(file, "SolverParameter")


def check_solver(bound: Any) -> None:
    """Check that a solver can run: known types and policies, the fields that these need, numbers in their ranges.

    Raises
    ------
    NetdefError: with all errors.
    """
    solver, errors = bound.message, []

    def wrong(text: str, field: str = "", hint: str = "") -> None:
        errors.append(Diagnostic(text, bound.position((field,)) if field else None, hint, code="ND301"))

    given = [field for field in NETS if solver.HasField(field)]
    if len(given) > 1:
        wrong(f"{given[0]} and {given[1]} both name the net to train", given[1], "keep one of them")
    if not solver.HasField("base_lr") and solver.lr_policy != "multifixed":
        wrong("base_lr, the initial learning rate, is missing", hint="add base_lr: 0.01, say")
    elif solver.base_lr < 0:
        wrong(f"base_lr {solver.base_lr:g} must not be negative", "base_lr")
    _check_policy(solver, wrong)
    _check_warm_up(solver, wrong)
    _check_type(solver, wrong)
    if solver.regularization_type not in REGULARIZATIONS:
        text = f"unknown regularization_type {solver.regularization_type!r}"
        wrong(text, "regularization_type", _listed("types", REGULARIZATIONS))
    for field, value in solver.ListFields():
        for number in (value if is_repeated(field) else [value]) if field.cpp_type == field.CPPTYPE_FLOAT else ():
            if not math.isfinite(number):
                wrong(f"{field.name} must be a number, not {number:g}", field.name)
    for field, least in AT_LEAST.items():
        if solver.HasField(field) and getattr(solver, field) < least:
            wrong(f"{field} must be at least {least}, not {getattr(solver, field):g}", field)
    _check_tests(solver, wrong)
    if errors:
        raise NetdefError(errors)


def _check_policy(solver: Any, wrong: Any) -> None:
    policy = solver.lr_policy
    if not policy:
        wrong("lr_policy, the schedule of the learning rate, is missing", hint=_listed("policies", POLICIES))
    elif policy not in POLICIES:
        hint = did_you_mean(policy, POLICIES) or _listed("policies", POLICIES)
        wrong(f"unknown lr_policy {policy!r}", "lr_policy", hint)
    for field in POLICIES.get(policy, ()):
        if not is_given(solver, field):
            wrong(f"lr_policy {policy} needs {field}", "lr_policy", f"add {field}")
    for field in ("stepvalue", "stageiter"):
        steps = list(getattr(solver, field))
        if steps != sorted(steps):
            wrong(f"{field} must grow: {', '.join(map(str, steps))}", field)
    if policy == "multifixed" and len(solver.stagelr) != len(solver.stageiter):
        text = f"stagelr is given {times(len(solver.stagelr))}, stageiter {times(len(solver.stageiter))}"
        wrong(text, "stageiter", "a stage has one of each")
    falls = policy in ("poly", "cosine") and solver.HasField("base_lr")
    if falls and solver.min_lr > solver.base_lr:
        wrong(f"min_lr {solver.min_lr:g} is more than base_lr {solver.base_lr:g}", "min_lr", f"lr_policy {policy} decreases to it")


def _check_warm_up(solver: Any, wrong: Any) -> None:
    given = [field for field in WARM_UPS if getattr(solver, field)]
    if len(given) > 1:
        wrong(f"{given[0]} and {given[1]} both ask for a warm-up", given[1], "keep one of them")
    if given and not solver.HasField("base_lr"):
        wrong(f"{given[0]} warms up to base_lr, which is missing", given[0], "add base_lr")


def _check_type(solver: Any, wrong: Any) -> None:
    kind = solver.type
    if kind not in TYPES:
        wrong(f"unknown solver type {kind!r}", "type", did_you_mean(kind, TYPES) or _listed("types", TYPES))
    if kind in TYPES_WITHOUT_MOMENTUM and solver.momentum:
        wrong(f"solver type {kind} has no momentum", "momentum", "drop momentum, or take type: SGD")
    for field in BELOW_ONE.get(kind, ()):
        if getattr(solver, field) >= 1:
            wrong(f"{field} must be below 1 with solver type {kind}, not {getattr(solver, field):g}", field)
    if solver.larc_policy not in LARC_POLICIES:
        wrong(f"unknown larc_policy {solver.larc_policy!r}", "larc_policy", _listed("policies", LARC_POLICIES))
    if solver.larc and solver.local_lr_auto:
        wrong("larc and local_lr_auto both scale the rate of each weight array", "local_lr_auto", "keep one of them")


def _check_tests(solver: Any, wrong: Any) -> None:
    """Check that test_iter has one value for each test net."""
    own = len(solver.test_net) + len(solver.test_net_param)
    shared = max(0, len(solver.test_iter) - own) if solver.HasField("net") or solver.HasField("net_param") else 0
    tests = own + shared
    if tests and len(solver.test_iter) != tests:
        wrong(f"{plural(tests, 'net')} tested, test_iter given {times(len(solver.test_iter))}", "test_iter")
    if len(solver.test_state) not in (0, max(tests, 1)):
        wrong(f"{plural(tests, 'net')} tested, test_state given {times(len(solver.test_state))}", "test_state")
    if solver.test_interval > 0 and not len(solver.test_iter):
        wrong("test_interval is given without test_iter, the number of batches of a test", "test_interval", "add test_iter")
    if len(solver.test_iter) and min(solver.test_iter) < 1:
        wrong("test_iter must be at least 1", "test_iter")


def is_given(solver: Any, field: str) -> bool:
    """Whether a SolverParameter sets a field."""
    value = getattr(solver, field)
    return len(value) > 0 if is_repeated(solver.DESCRIPTOR.fields_by_name[field]) else solver.HasField(field)


def without_effect(solver: Any) -> dict[str, str]:
    """The fields without effect that a SolverParameter sets to other values than their defaults; each with what holds instead."""
    fields = solver.DESCRIPTOR.fields_by_name
    return {
        name: why
        for name, why in WITHOUT_EFFECT.items()
        if is_given(solver, name) and (is_repeated(fields[name]) or getattr(solver, name) != fields[name].default_value)
    }


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
