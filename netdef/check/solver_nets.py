"""The nets that a solver names or contains: the one to train and those to test, each in its state."""

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
from netdef.solver_file.nets import FieldPath, generic_field, test_fields, train_field, value_at


@dataclass(frozen=True)
class Run:
    """A net that a solver trains or tests. `is_explicit`: whether the solver asks for it."""

    phase: str
    opened: Opened
    is_explicit: bool = True


def nets_of_solver(bound: Bound, overrides: Mapping[str, Any] | None, findings: list[Diagnostic]) -> list[Run]:
    """The nets of a solver, the train net first; errors of reading them are added to `findings`."""
    runs = []
    read: dict[str, Opened | None] = {}
    for phase, path, index, is_explicit in _fields(bound.message):
        states = state_overrides(bound.message, phase, index)
        key = repr((path, states))
        if key not in read:
            read[key] = _opened(bound, path, {**(overrides or {}), **states}, findings)
        opened = read[key]
        if opened is not None and (is_explicit or opened.has_phase(phase)):
            runs.append(Run(phase, opened, is_explicit))
    return runs


def _fields(solver: Any) -> Iterator[tuple[str, FieldPath, int, bool]]:
    """Phase, field, index of the state, and whether it is explicit, of each net that runs."""
    train, tests = train_field(solver), test_fields(solver)
    if train is not None:
        yield "train", train, 0, True
    for index, path in enumerate(tests):
        yield "test", path, index, True
    if train is not None and train == generic_field(solver) and not tests:
        yield "test", train, 0, False


def _opened(bound: Bound, path: FieldPath, overrides: Mapping[str, Any], findings: list[Diagnostic]) -> Opened | None:
    """The net that a field names or contains; None if it cannot be read."""
    value, entry = value_at(bound.message, path), _origins(bound, path)
    at = bound.position(path)
    if isinstance(value, str):
        try:
            file = find_beside(value, Path(bound.filename).parent)
        except NetdefError as error:
            findings += [replace(one, position=one.position or at, code="ND301") for one in error.diagnostics]
            return None
        try:
            return open_net(file, overrides)
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


def _origins(bound: Bound, path: FieldPath) -> Any:
    """The positions inside a field; None in a binary file."""
    entry: Any = bound.origins
    for key in path:
        if entry is not None:
            entry = entry[key] if isinstance(key, int) else entry.fields.get(key)
    return entry
