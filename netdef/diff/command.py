"""What `netdef diff A B` does: sees what the two files are, compares them, and renders the difference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from netdef.diff import solvers, text, weights
from netdef.diff.difference import PHASES, Difference, difference
from netdef.graph import Net
from netdef.kinds import NET, SOLVER, WEIGHTS, kind_of
from netdef.language.diagnostics import NetdefError

FORMATS = ("text", "json", "html")


def diff(
    a: str,
    b: str,
    phase: str | None = None,
    batch_size: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    form: str = "text",
    colour: bool = False,
) -> tuple[str, bool]:
    """The difference of two nets, two solvers, or of a net and a file of weights, as text; and whether there is any.

    `overrides` are settings of the second net.

    Raises
    ------
    NetdefError: a file cannot be read, or the two cannot be compared.
    """
    kinds = kind_of(a), kind_of(b)
    if SOLVER in kinds:
        _expect(kinds == (SOLVER, SOLVER), a, b, kinds)
        return _solvers(a, b, form, colour)
    if WEIGHTS in kinds:
        return _weights(a, b, kinds, overrides, form)
    found = compare(a, b, phase, batch_size, overrides)
    if form == "html":
        from netdef.diff import html

        return html.render(found), bool(found)
    if form == "json":
        from netdef.diff import data

        return data.render(found), bool(found)
    return text.render(found, colour), bool(found)


def compare(
    a: str, b: str, phase: str | None = None, batch_size: int | None = None, overrides: Mapping[str, Any] | None = None
) -> Difference:
    """The difference of two nets in one phase, or in all phases that both have."""
    phases = (phase,) if phase else PHASES
    before, not_before = _in_phases(a, phases, batch_size, None)
    after, not_after = _in_phases(b, phases, batch_size, overrides)
    result = difference(before, after, (a, b))
    for name, errors in ((a, not_before), (b, not_after)):
        for missing, error in errors.items():
            result.notes.append(f"{name} is not compared in the {missing} phase: {error.diagnostics[0].message}")
    return result


def _in_phases(
    name: str, phases: tuple[str, ...], batch_size: int | None, overrides: Mapping[str, Any] | None
) -> tuple[dict[str, Net], dict[str, NetdefError]]:
    """A net in each phase that it has, and why it is not there in the others.

    Raises
    ------
    NetdefError: it has none.
    """
    from netdef.loading import open_net

    opened = open_net(name, overrides, batch_size, phases[0])
    nets, failed = {}, {}
    for phase in phases:
        try:
            nets[phase] = opened.net(phase)
        except NetdefError as error:
            failed[phase] = error
            if len(phases) > 1 and opened.has_phase(phase):
                raise
    if not nets:
        raise next(iter(failed.values()))
    return nets, failed


def _expect(right: bool, a: str, b: str, kinds: tuple[str | None, str | None]) -> None:
    """Raises NetdefError where the two are of different kinds."""
    if not right:
        called = {NET: "a net", SOLVER: "a solver", WEIGHTS: "a file of weights", None: "something else"}
        raise NetdefError(f"{a} is {called[kinds[0]]} and {b} is {called[kinds[1]]}", hint="compare two of one kind")


def _solvers(a: str, b: str, form: str, colour: bool) -> tuple[str, bool]:
    from netdef.solver_file import read_solver

    found = solvers.difference(read_solver(a).message, read_solver(b).message, (a, b))
    if form == "json":
        return json.dumps(solvers.describe(found), indent=1), bool(found)
    if form == "html":
        raise NetdefError("solver files are compared as text or json", hint="leave --format html out")
    return solvers.render(found, colour), bool(found)


def _weights(
    a: str, b: str, kinds: tuple[str | None, str | None], overrides: Mapping[str, Any] | None, form: str
) -> tuple[str, bool]:
    found = weights.difference(_shapes(a, kinds[0], None), _shapes(b, kinds[1], overrides), (a, b))
    if form == "json":
        return json.dumps(weights.describe(found), indent=1), bool(found)
    if form == "html":
        raise NetdefError("a net and its weights are compared as text or json", hint="leave --format html out")
    return weights.render(found), bool(found)


def _shapes(name: str, kind: str | None, overrides: Mapping[str, Any] | None) -> weights.Shapes:
    if kind != WEIGHTS:
        return weights.shapes_of_nets(_in_phases(name, PHASES, None, overrides)[0])
    if name.endswith(".h5"):
        return weights.shapes_of_hdf5(name)
    from netdef.language import read_file

    found = weights.shapes_of_message(read_file(name, "NetParameter").message)
    if not found:
        raise NetdefError(f"{name} holds no weights", hint="a net is compared as one if its file ends in .net or .prototxt")
    return found
