"""Solver files: schedules and tests beyond the end of training, settings without effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netdef.check.gradient_flow import losses
from netdef.check.registry import Findings, error, solvers, warning
from netdef.graph.net import Net
from netdef.language.diagnostics import Position
from netdef.language.source import excerpt
from netdef.solver_file import LARC_TYPES, NETS, POLICIES, WARM_UPS, devices_left_out, is_given, without_effect
from netdef.solver_file.testing import rare_tests

OF_POLICIES = ("gamma", "power", "stepsize", "stepvalue", "stagelr", "stageiter")
OF_TYPES = {  # settings that only some types read
    "momentum2": ("Adam", "AdamW"),
    "delta": ("AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"),
    "rms_decay": ("RMSProp",),
    "larc": LARC_TYPES,
    "local_lr_auto": LARC_TYPES,
}
OF_OTHERS = {  # settings that are read only with another one
    "warmup_start_lr": "warmup_iter",
    "rampup_lr": "rampup_interval",
    "larc_policy": "larc",
    "larc_eta": "larc",
    "local_gw_ratio": "local_lr_auto",
}


@dataclass
class Subject:
    """A solver to check: its message, and those of its nets that could be built."""

    bound: Any
    nets: Mapping[str, Net]

    @property
    def message(self) -> Any:
        return self.bound.message

    def spot(self, span: tuple[int, int]) -> Position | None:
        """The position of a span of the text."""
        return self.bound.source.position(*span) if self.bound.source is not None else None

    def at(self, field: str, index: int | None = None) -> Position | None:
        return self.bound.position((field,) if index is None else (field, index))


@solvers
def decreases_after_the_end(subject: Subject) -> Findings:
    solver = subject.message
    if not solver.max_iter:
        return
    reason = f"training ends at max_iter {solver.max_iter}"
    if solver.lr_policy == "step" and solver.stepsize >= solver.max_iter:
        yield warning("ND302", f"the rate never decreases: stepsize is {solver.stepsize}", subject.at("stepsize"), reason)
    if solver.lr_policy == "multistep":
        for index, iteration in enumerate(solver.stepvalue):
            if iteration >= solver.max_iter:
                yield warning(
                    "ND302", f"the decrease at iteration {iteration} is never reached", subject.at("stepvalue", index), reason
                )


@solvers
def warm_up_to_the_end(subject: Subject) -> Findings:
    solver = subject.message
    for field in WARM_UPS:
        if 0 < solver.max_iter <= getattr(solver, field):
            text = f"the rate rises to the end: {field} is {getattr(solver, field)}"
            yield warning("ND302", text, subject.at(field), f"training ends at max_iter {solver.max_iter}")


@solvers
def tests(subject: Subject) -> Findings:
    """Tests that are not run, or not while training goes on."""
    solver, test = subject.message, subject.nets.get("test")
    measures = [layer.name for layer in test.layers if layer.is_accuracy] if test is not None else []
    if not len(solver.test_iter) and not solver.test_interval and measures:
        text = f"no tests are run, though the net measures {' and '.join(measures[:2])}"
        field = next((field for field in NETS if solver.HasField(field)), "net")
        yield warning("ND303", text, subject.at(field), "add test_interval: 500, say: each test is of all the test data")
    field, text = rare_tests(solver)
    if text:
        at = subject.at(field if solver.HasField(field) else "test_iter")
        yield warning(
            "ND304", text, at, "a smaller test_interval tests more often" if solver.test_interval else "add test_interval"
        )


@solvers
def unread_settings(subject: Subject) -> Findings:
    """Settings of another policy or type."""
    solver = subject.message
    read = POLICIES.get(solver.lr_policy)
    for field in OF_POLICIES if read is not None else ():
        if is_given(solver, field) and field not in (read or ()):
            needs = f"{solver.lr_policy} reads {' and '.join(read)}" if read else f"{solver.lr_policy} keeps base_lr"
            yield warning("ND305", f"lr_policy {solver.lr_policy} does not read {field}", subject.at(field), needs)
    for field, types in OF_TYPES.items():
        if solver.HasField(field) and getattr(solver, field) and solver.type not in types:
            text = f"solver type {solver.type} does not read {field}"
            yield warning("ND306", text, subject.at(field), f"it is for {', '.join(types)}")
    for field, other in OF_OTHERS.items():
        if solver.HasField(field) and not getattr(solver, other):
            yield warning("ND306", f"{field} is read only with {other}", subject.at(field), f"add {other}, or drop {field}")


@solvers
def settings_without_effect(subject: Subject) -> Findings:
    """Settings without effect, most of them of Caffe's forks."""
    for field, why in without_effect(subject.message).items():
        yield warning("ND310", f"{field} has no effect", subject.at(field), why)
    text, hint = devices_left_out(subject.message)
    if text:
        yield warning("ND310", text, subject.at("device_id", 1), hint)
    for unknown in subject.bound.unknown:
        hint = "it is kept; `netdef explain solver` lists the fields"
        yield warning("ND310", f"unknown field {excerpt(unknown.name)}: it has no effect", subject.spot(unknown.span), hint)


@solvers
def nothing_learned(subject: Subject) -> Findings:
    solver = subject.message
    if solver.HasField("base_lr") and solver.base_lr == 0:
        yield warning("ND307", "base_lr is 0: no weight changes", subject.at("base_lr"), "start from 0.01, say")
    if solver.max_iter == 0:
        at = subject.at("max_iter") if solver.HasField("max_iter") else None
        yield warning("ND307", "max_iter is 0: nothing is trained", at, "add max_iter: 10000, say, or train with --iterations")


@solvers
def unusual_numbers(subject: Subject) -> Findings:
    solver = subject.message
    if solver.momentum >= 1:
        text = f"momentum {solver.momentum:g}: gradients never decay"
        yield warning("ND308", text, subject.at("momentum"), "0.9 is usual")
    if solver.gamma > 1 and solver.lr_policy in ("step", "multistep", "exp", "plateau"):
        text = f"gamma {solver.gamma:g} raises the rate"
        yield warning("ND308", text, subject.at("gamma"), "the rate is multiplied by it: 0.1 is usual")
    if solver.weight_decay >= 1:
        text = f"weight_decay {solver.weight_decay:g} dominates the gradients"
        yield warning("ND308", text, subject.at("weight_decay"), "0.0005 is usual")
    if solver.delta == 0 and solver.type in OF_TYPES["delta"]:
        text = "delta 0 makes NaN of a weight whose gradients were all 0"
        yield warning("ND308", text, subject.at("delta"), "1e-8 is usual")


@solvers
def nothing_to_make_smaller(subject: Subject) -> Findings:
    train = subject.nets.get("train")
    if train is not None and not losses(train):
        text = f"{train.filename} has no loss in the train phase"
        field = next(field for field in NETS if subject.message.HasField(field))
        yield error("ND309", text, subject.at(field), "training minimises a loss: add SoftmaxWithLoss, say")
