"""The text against the file on disk: what `netdef diff` says of the nets, and the lines that differ."""

from __future__ import annotations

from difflib import unified_diff
from typing import Any

from netdef.diff import html, solvers
from netdef.diff.command import compare_opened
from netdef.diff.difference import PHASES
from netdef.language.diagnostics import NetdefError
from netdef.language.files import read_text
from netdef.language.kinds import SOLVER, kind_of_text
from netdef.loading import Opened

MOST_LINES = 400  # of the texts' difference that are shown


def differences(before: str, after: str, name: str, begun: str) -> dict[str, Any]:
    """The lines that differ, and the page of `netdef diff`; instead of that the reason where a text has errors.

    Parameters
    ----------
    begun: what messages call the first text.
    """
    lines = [line.rstrip("\n") for line in unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm="")][2:]
    found: dict[str, Any] = {"lines": lines[:MOST_LINES], "more": max(0, len(lines) - MOST_LINES), "page": "", "why": ""}
    if not lines:
        found["why"] = f"The text is that of {begun}."
        return found
    for text, what in ((before, begun), (after, "The text")):
        try:
            _check(text, name)
        except NetdefError as error:
            found["why"] = f"{what} has errors, so that only lines are compared: {error.diagnostics[0].message}"
            return found
    try:
        found["page"] = _page(before, after, name, begun)
    except NetdefError as error:
        found["why"] = f"Only lines are compared: {error.diagnostics[0].message}"
    return found


def _page(before: str, after: str, name: str, begun: str) -> str:
    names = begun, f"{name} as edited"
    if SOLVER in _kinds(before, after, name):
        pair = [read_text(text, name, "SolverParameter") for text in (before, after)]
        return html.render_findings(solvers.difference(pair[0], pair[1], names))
    opened = _opened(before, name), _opened(after, name)
    return html.render(compare_opened(opened, names, PHASES))


def _opened(text: str, name: str) -> Opened:
    return Opened(lambda: read_text(text, name, "NetParameter"), name)


def _kinds(before: str, after: str, name: str) -> set[str | None]:
    return {kind_of_text(before, name), kind_of_text(after, name)}


def _check(text: str, name: str) -> None:
    """Raises NetdefError where a text cannot be read."""
    kind = "SolverParameter" if kind_of_text(text, name) == SOLVER else "NetParameter"
    read_text(text, name, kind)
