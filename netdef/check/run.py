"""Check a file: read it, build its net in every phase, and run all checks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netdef.check import (
    gradients,
    ignored_settings,
    image_data,
    in_place,
    initial_weights,
    layer_names,
    linear,
    losses,
    outside,
    phases,
    rates,
    solver,
    train_and_test,
    unknown,
    unused,
    windows,
)
from netdef.check.registry import ALSO, BOTH_NETS, EACH_NET, SOLVERS
from netdef.check.solver_nets import Run, nets_of_solver
from netdef.graph.layer import SIZE_UNKNOWN
from netdef.graph.net import Net
from netdef.graph.reach import reach_reported
from netdef.language import Bound, read_text
from netdef.language.diagnostics import Diagnostic, NetdefError, coded, in_order
from netdef.language.gc_pause import gc_paused
from netdef.language.kept import names
from netdef.language.kinds import SOLVER, kind_of, kind_of_text
from netdef.language.source import Position
from netdef.loading import Opened, open_net
from netdef.solver_file import check_solver, read_solver

PHASES = ("train", "test")
CHECKS = (
    gradients, ignored_settings, image_data, in_place, initial_weights, layer_names, linear, losses, outside, phases, rates, solver,
    train_and_test, unknown, unused, windows,
)  # fmt: skip


@dataclass
class Report:
    """The findings about a file, and about the nets that it names.

    Attributes
    ----------
    nets: the net of each phase that could be built.
    """

    name: str
    findings: list[Diagnostic] = field(default_factory=list)
    nets: dict[str, Net] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return sum(one.severity == "error" for one in self.findings)

    @property
    def warnings(self) -> int:
        return sum(one.severity == "warning" for one in self.findings)

    @property
    def unreadable(self) -> bool:
        """Whether the file could not be read."""
        return any(one.code == "ND004" for one in self.findings)


def check_all(names: Iterable[str], overrides: Mapping[str, Any] | None = None) -> list[Report]:
    """A report of each file. A finding of several files, such as of a net and its solvers, is reported only for the first.

    Raises
    ------
    NetdefError: a folder has no nets or solvers.
    """
    reports = [check(name, overrides) for name in files_of(names)]
    reported: set[Diagnostic] = set()
    for report in reports:
        report.findings = [one for one in report.findings if one not in reported]
        reported.update(report.findings)
    return reports


@gc_paused
def check(name: str, overrides: Mapping[str, Any] | None = None) -> Report:
    """Check a net or a solver: a file, or the name of one of the package. `overrides`: of the net."""
    with reach_reported():
        if kind_of(name) == SOLVER:
            return Report(name, *_solver(lambda: read_solver(name), overrides))
        return Report(name, *_file(lambda: open_net(name, overrides)))


def check_text(text: str, name: str) -> Report:
    """Check the text of a net or a solver, which may differ from that of the file called `name`."""
    with reach_reported():
        if kind_of_text(text, name) == SOLVER:
            return Report(name, *_solver(lambda: read_text(text, name, "SolverParameter"), None))
        return Report(name, *_file(lambda: Opened(lambda: read_text(text, name, "NetParameter"), name)))


def _file(read: Callable[[], Opened]) -> tuple[list[Diagnostic], dict[str, Net]]:
    try:
        opened = read()
    except NetdefError as error:
        return _findings_of(error, "ND004"), {}
    return _net(opened)


def _net(opened: Opened) -> tuple[list[Diagnostic], dict[str, Net]]:
    """The findings about a net, and the net of each phase that could be built."""
    found: dict[str, list[Diagnostic]] = {}
    nets: dict[str, Net] = {}
    for phase in [phase for phase in PHASES if opened.has_phase(phase)] or PHASES[1:]:
        found[phase] = []
        try:
            nets[phase] = opened.net(phase, partial=True)
        except NetdefError as error:
            found[phase] += _findings_of(error, "ND108")
            continue
        found[phase] += _of_net(nets[phase])
    result = _of_phases(found)
    if len(nets) == 2:
        for both in BOTH_NETS:
            result += both(nets["train"], nets["test"])
    return in_order([*result, *_of_text(opened)]), nets


def _of_net(net: Net) -> list[Diagnostic]:
    """The findings about a net: sizes that only the data have, and those of each check."""
    unsized = _findings_of(NetdefError(net.unsized), "ND108") if net.unsized else []
    return [*unsized, *(one for each in (*EACH_NET, *ALSO.get()) for one in each(net))]


def _findings_of(error: NetdefError, code: str) -> list[Diagnostic]:
    """Errors as findings. A size that only the data have is a warning: what depends on it is not checked."""
    found = coded(error.diagnostics, code)
    return [replace(one, severity="warning") if one.code == SIZE_UNKNOWN else one for one in found]


def _of_phases(found: Mapping[str, list[Diagnostic]]) -> list[Diagnostic]:
    """The findings of all phases, without duplicates; one of a single phase names it."""
    if len(found) == 1:
        return [one for findings in found.values() for one in findings]
    result: list[Diagnostic] = []
    for phase, findings in found.items():
        others = {one for other, theirs in found.items() if other != phase for one in theirs}
        for one in findings:
            only_here = one not in others and phase not in one.message and f"{phase}ing" not in one.message
            result.append(replace(one, message=f"{one.message} in the {phase} phase") if only_here else one)
    return result


def _of_text(opened: Opened) -> Iterable[Diagnostic]:
    """Findings about the text that the graph does not show."""
    bound = opened.bound
    if bound.source is not None:
        for start_, end in bound.idle_defaults:
            at = bound.source.position(start_, end)
            kind = bound.source.text[start_:end]
            reason = "defaults apply to the layers below them"
            yield Diagnostic(f"no layer uses defaults {kind}", at, reason, severity="warning", code="ND221")
    yield from (note for one in bound.outside for note in outside.as_notes(one))
    for index, name in enumerate(names(opened.message)):
        text, reason = f"unknown field {name} of the net", "it is kept, and has no effect here"
        yield Diagnostic(text, bound.position(("kept", index)), reason, severity="warning", code="ND229")
    yield from _of_format(bound)


def _of_format(bound: Bound) -> Iterable[Diagnostic]:
    """Notes on conversions from an older format."""
    for note in bound.notes:
        at = Position(bound.filename, 1, 1, 1)
        yield Diagnostic(note, at, "`netdef fmt --to prototxt` writes it in the present format", severity="note", code="ND224")


def _solver(read: Callable[[], Bound], overrides: Mapping[str, Any] | None) -> tuple[list[Diagnostic], dict[str, Net]]:
    """The findings about a solver and its nets, and those nets."""
    try:
        bound = read()
    except NetdefError as error:
        return _findings_of(error, "ND004"), {}
    found: list[Diagnostic] = []
    try:
        check_solver(bound)
    except NetdefError as error:
        found += _findings_of(error, "ND301")
    more, nets = _nets_of(nets_of_solver(bound, overrides, found))
    subject = solver.Subject(bound, nets)
    for each in SOLVERS:
        found += each(subject)
    return _by_file([*found, *more, *_of_format(bound)], bound.filename), nets


def _by_file(findings: Iterable[Diagnostic], first: str) -> list[Diagnostic]:
    """The findings, file by file, in the order of their positions."""
    files: dict[str, list[Diagnostic]] = {first: []}
    for one in in_order(findings):
        at = one.position
        while at is not None and at.source is not None and at.source.included_from is not None:
            at = at.source.included_from
        files.setdefault(at.file if at is not None else first, []).append(one)
    return [one for findings in files.values() for one in findings]


def _nets_of(runs: Iterable[Run]) -> tuple[list[Diagnostic], dict[str, Net]]:
    """The findings about the nets of a solver, each in its phase, and the train net with each test net; the first of each phase."""
    found: dict[str, list[Diagnostic]] = {}
    built: dict[str, list[Net]] = {}
    opened: list[Opened] = []
    for run in runs:
        findings = found.setdefault(run.phase, [])
        if run.opened not in opened:
            opened.append(run.opened)
        try:
            net = run.opened.net(run.phase, partial=True)
        except NetdefError as error:
            findings += _findings_of(error, "ND108")
            continue
        built.setdefault(run.phase, []).append(net)
        findings += _of_net(net)
    result = _of_phases(found)
    if "train" in built:
        by_test = [[one for both in BOTH_NETS for one in both(built["train"][0], test)] for test in built.get("test", ())]
        for findings in by_test:  # an Accuracy needs to be in one of the test nets only
            result += [one for one in findings if one.code != "ND208" or all(one in others for others in by_test)]
    for one in opened:
        result += _of_text(one)
    return result, {phase: nets[0] for phase, nets in built.items()}


def files_of(names: Iterable[str]) -> list[str]:
    """The files to check; for a folder, the nets and solvers in it.

    Raises
    ------
    NetdefError: a folder has none.
    """
    result: list[str] = []
    for name in names:
        path = Path(name)
        if not os.path.isdir(name):
            result.append(name)
            continue
        inside = sorted(str(one) for one in path.iterdir() if one.suffix in (".net", ".prototxt", ".pbtxt"))
        inside += sorted(str(one) for one in path.glob("*.txt") if kind_of(str(one)) == SOLVER)
        if not inside:
            raise NetdefError(f"{name} holds no nets and no solvers")
        result += inside
    return result
