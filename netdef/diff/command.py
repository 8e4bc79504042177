"""What `netdef diff A B` does: sees what the two files are, compares them, and renders the difference."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.diff import solvers, text, weights
from netdef.diff.difference import PHASES, Difference, difference
from netdef.diff.finding import Row
from netdef.graph.layer import LAYERS, SIZE_UNKNOWN
from netdef.graph.net import Net
from netdef.graph.shape import Shape
from netdef.language.diagnostics import NetdefError
from netdef.language.find import RUN_SOLVER
from netdef.language.gc_pause import gc_paused
from netdef.language.kept import keep_fields_of_binary
from netdef.language.kinds import NET, SOLVER, WEIGHTS, kind_of

if TYPE_CHECKING:
    from netdef.loading import Opened

FORMATS = ("text", "json", "html")
InPhases = tuple[dict[str, Net], dict[str, NetdefError]]
# What images may be whose size is not known, where only settings are compared: channels, rows, columns.
IMAGES = tuple((channels, side, side) for channels in (3, 1, 2) for side in (28, 32, 64, 128, 256, 512))


@gc_paused
def diff(
    a: str,
    b: str,
    phase: str | None = None,
    batch_size: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    form: str = "text",
    sheet: text.Sheet | None = None,
) -> tuple[str, bool]:
    """The difference of two nets, two solvers, or of a net and a file of weights, as text; and whether there is any.

    `overrides` are settings of the second net. `sheet` is what the text is for.

    Raises
    ------
    NetdefError: a file cannot be read, the two cannot be compared, or an option says nothing about them.
    """
    kinds = kind_of(a), kind_of(b)
    found: Difference | solvers.SolverDifference | weights.WeightsDifference
    if SOLVER in kinds:
        _expect(kinds == (SOLVER, SOLVER), a, b, kinds)
        _unused({"--phase": phase, "--batch": batch_size, "--set": overrides}, "solvers are compared")
        found = _solvers(a, b)
    elif WEIGHTS in kinds:
        options: dict[str, Any] = {"--batch": batch_size}
        if kinds[1] == WEIGHTS:
            options["--set"] = overrides
        if kinds[0] == kinds[1]:
            options["--phase"] = phase
        _unused(options, "weights are compared" if "--phase" in options else "a net and weights are compared")
        found = _weights(a, b, kinds, phase, overrides)
    else:
        found = compare(a, b, phase, batch_size, overrides)
    other = _solvers_of_runs(a, b) if isinstance(found, Difference) else []
    if isinstance(found, Difference):
        found.notes += other
    return _rendered(found, form, sheet or text.Sheet()), bool(found or other)


def _solvers_of_runs(a: str, b: str) -> list[str]:
    return [f"solver: {row.what} {row.before} -> {row.after}" for row in solver_rows(a, b)]


def solver_rows(a: str, b: str) -> list[Row]:
    """The settings in which the solvers of two runs differ, where both are given by their directories; else none.

    Raises
    ------
    NetdefError: one cannot be read.
    """
    files = [Path(name) / RUN_SOLVER for name in (a, b)]
    if not all(map(os.path.isfile, files)):
        return []
    return [row for finding in _solvers(*map(str, files)).findings for row in finding.rows]


def _rendered(found: Difference | solvers.SolverDifference | weights.WeightsDifference, form: str, sheet: text.Sheet) -> str:
    if form == "html":
        from netdef.diff import html

        return html.render(found) if isinstance(found, Difference) else html.render_findings(found)
    if form == "json":
        from netdef.diff import data

        if isinstance(found, Difference):
            return data.render(found)
        describe = solvers.describe if isinstance(found, solvers.SolverDifference) else weights.describe
        return json.dumps(describe(found), indent=1)  # type: ignore[arg-type]
    return text.render(found, sheet) if isinstance(found, Difference) else text.render_findings(found, sheet)


def _unused(options: Mapping[str, Any], why: str) -> None:
    """Raises NetdefError for an option that is given and says nothing here."""
    given = [name for name, value in options.items() if value]
    if given:
        raise NetdefError(f"{', '.join(given)}: of no use where {why}", hint="leave it out")


def compare(
    a: str, b: str, phase: str | None = None, batch_size: int | None = None, overrides: Mapping[str, Any] | None = None
) -> Difference:
    """The difference of two nets in one phase, or in all phases that both have."""
    phases = (phase,) if phase else PHASES
    return compare_opened((_opened(a, phases, batch_size, None), _opened(b, phases, batch_size, overrides)), (a, b), phases)


def compare_opened(opened: tuple[Opened, Opened], names: tuple[str, str], phases: tuple[str, ...]) -> Difference:
    """The difference of two nets that were read, which are called by `names`, in those of some phases that both have."""
    try:
        both, unsized = [_in_phases(one, phases) for one in opened], ""
    except NetdefError as unknown:
        both, unsized = _assumed(opened, phases, unknown), unknown.diagnostics[0].message
    (before, not_before), (after, not_after) = both
    result = difference(before, after, names, sized=not unsized)
    if unsized:
        result.notes.append(f"shapes and costs are not compared: {unsized}")
    for name, errors in zip(names, (not_before, not_after), strict=True):
        for missing, error in errors.items():
            note = f"{name} is not compared in the {missing} phase: {error.diagnostics[0].message}"
            result.notes += [note] * (note not in result.notes)
    return result


def _opened(name: str, phases: tuple[str, ...], batch_size: int | None, overrides: Mapping[str, Any] | None) -> Opened:
    """The file of a net."""
    from netdef.loading import open_net

    opened = open_net(name, overrides, batch_size, phases[0])
    opened.bound.announce()
    if opened.bound.source is None:
        keep_fields_of_binary(opened.message)
    return opened


def _assumed(opened: tuple[Opened, ...], phases: tuple[str, ...], error: NetdefError) -> list[InPhases]:
    """Nets as `_in_phases` has them, images whose size is not known being of a size that fits both: the first of IMAGES. Shapes
    that the user's code gives are unknown.

    Raises
    ------
    NetdefError: `error`, if it is about more than such sizes, or none fits.
    """
    if any(one.code != SIZE_UNKNOWN for one in error.diagnostics):
        raise error
    for partial in (False, True):
        for image in IMAGES:
            with suppress(NetdefError):
                return [_in_phases(one, phases, image, partial) for one in opened]
    types = [LAYERS[layer.type] for one in opened for layer in one.message.layer if layer.type in LAYERS]
    if any(one.has_shapes_of_run for one in types):
        return [_in_phases(one, phases, partial=True) for one in opened]  # their tops need not be images
    raise error


def _in_phases(opened: Opened, phases: tuple[str, ...], assumed: Shape = (), partial: bool = False) -> InPhases:
    """A net in each phase that it has, and why it is not there in the others.

    Raises
    ------
    NetdefError: it has none.
    """
    nets, failed = {}, {}
    for phase in phases:
        try:
            nets[phase] = opened.net(phase, assumed, partial)
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


def _solvers(a: str, b: str) -> solvers.SolverDifference:
    from netdef.solver_file import read_solver

    before, after = read_solver(a), read_solver(b)
    before.announce()
    after.announce()
    return solvers.difference(before, after, (a, b))


def _weights(
    a: str, b: str, kinds: tuple[str | None, str | None], phase: str | None, overrides: Mapping[str, Any] | None
) -> weights.WeightsDifference:
    """The difference of two files of weights, or of a net, in one phase or both, and such a file."""
    from netdef.weights import read_weights

    if kinds[0] == kinds[1]:
        return weights.two_files(read_weights(a), read_weights(b), (a, b))
    net_first = kinds[1] == WEIGHTS
    net, file = (a, b) if net_first else (b, a)
    phases = (phase,) if phase else PHASES
    nets, _ = _in_phases(_opened(net, phases, None, None if net_first else overrides), phases)
    return weights.net_and_file(nets, read_weights(file), (a, b), net_first)
