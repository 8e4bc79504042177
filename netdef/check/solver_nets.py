"""The nets that a solver names or holds: the one it trains, and those it tests, each in the state that it runs in.

(The order of test nets is that of Caffe's Solver::InitTestNets: those written into the solver, those of other files, then the
net itself for what is left of test_iter.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netdef.language import Bound
from netdef.language.diagnostics import Diagnostic, NetdefError, coded
from netdef.language.find import find_beside
from netdef.loading import Opened, open_net
from netdef.schema.origins import Origins
from netdef.solver_file import state_overrides

Place = tuple[str | int, ...]  # of the field that names or holds a net


@dataclass(frozen=True)
class Run:
    """A net that a solver trains or tests. `is_asked`: whether the solver says that it does."""

    phase: str
    opened: Opened
    is_asked: bool = True


def named(bound: Bound, overrides: Mapping[str, Any] | None, findings: list[Diagnostic]) -> list[Run]:
    """The nets of a solver, training first; what cannot be read goes to `findings`."""
    runs = []
    read: dict[str, Opened | None] = {}
    for phase, place, index, is_asked in _places(bound.message):
        states = state_overrides(bound.message, phase, index)
        key = repr((place, states))
        if key not in read:
            read[key] = _opened(bound, place, {**(overrides or {}), **states}, findings)
        opened = read[key]
        if opened is not None and (is_asked or opened.has_phase(phase)):
            runs.append(Run(phase, opened, is_asked))
    return runs


def _places(solver: Any) -> Iterator[tuple[str, Place, int, bool]]:
    """Phase, field, number of the state and whether it is asked for, of each net that runs."""
    generic = next(((field,) for field in ("net", "net_param") if solver.HasField(field)), None)
    train = generic or next(((field,) for field in ("train_net", "train_net_param") if solver.HasField(field)), None)
    if train is not None:
        yield "train", train, 0, True
    tests: list[Place] = [("test_net_param", index) for index in range(len(solver.test_net_param))]
    tests += [("test_net", index) for index in range(len(solver.test_net))]
    if generic is not None:
        tests += [generic] * (len(solver.test_iter) - len(tests))
    for index, place in enumerate(tests):
        yield "test", place, index, True
    if generic is not None and not tests:
        yield "test", generic, 0, False


def _opened(bound: Bound, place: Place, overrides: Mapping[str, Any], findings: list[Diagnostic]) -> Opened | None:
    """The net that a field names or holds; None where it cannot be read."""
    value: Any = bound.message
    entry: Any = bound.origins
    for step in place:
        if isinstance(step, int):
            value, entry = value[step], entry[step] if entry else None
        else:
            value, entry = getattr(value, step), entry.fields.get(step)
    at = bound.position(place)
    if isinstance(value, str):
        try:
            path = find_beside(value, Path(bound.filename).parent)
        except NetdefError as error:
            findings += [replace(one, position=one.position or at, code="ND301") for one in error.diagnostics]
            return None
        try:
            return open_net(path, overrides)
        except NetdefError as error:
            findings += coded((replace(one, position=one.position or at) for one in error.diagnostics), "ND004")
            return None
    message = type(value)()
    message.CopyFrom(value)
    held = Bound(message, bound.filename, bound.source, entry if isinstance(entry, Origins) else bound.origins)
    try:
        return Opened(lambda: held, bound.filename, overrides)
    except NetdefError as error:
        findings += coded(error.diagnostics, "ND002")
        return None
