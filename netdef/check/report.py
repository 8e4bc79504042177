"""Print findings as text, JSON or SARIF (OASIS SARIF 2.1.0), which code hosts show beside the lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from netdef.check.codes import CODES
from netdef.check.run import Report
from netdef.language.diagnostics import Diagnostic
from netdef.language.source import Position
from netdef.language.units import plural, shortened

FORMATS = ("text", "json", "sarif")
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST, MOST_LINES = 5, 10  # warnings of one code that a text lists one by one; lines that are named of more
COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def render(reports: Sequence[Report], form: str = "text", colour: bool = False) -> str:
    """All findings in one of FORMATS."""
    if form == "json":
        return json.dumps([_plain(one) for report in reports for one in report.findings], indent=1)
    if form == "sarif":
        return json.dumps(_sarif(one for report in reports for one in report.findings), indent=1)
    lines = [_text(one, colour) for report in reports for one in summed(report.findings)]
    return "\n".join([*lines, _summary(reports)])


def summed(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The findings, those beyond MOST warnings of a code and file as one line behind the first of them."""
    alike: dict[tuple[str, str], list[Diagnostic]] = {}
    for one in findings:
        if one.severity != "error" and one.position is not None:
            alike.setdefault((one.code, one.position.file), []).append(one)
    result: list[Diagnostic] = []
    for one in findings:
        group = alike.get((one.code, one.position.file), [one]) if one.severity != "error" and one.position else [one]
        if len(group) <= MOST:
            result.append(one)
        elif one is group[0]:
            lines = shortened([str(other.position.line) for other in group[1:] if other.position], MOST_LINES)
            result.append(replace(one, message=f"{one.message}; so do {len(group) - 1} more, in lines {lines}"))
    return result


def _text(one: Diagnostic, colour: bool) -> str:
    """A diagnostic with its code at the end of the first line."""
    first, *rest = str(one).split("\n")
    code = f"[{one.code}]"
    if colour:
        import click

        severity = f"{one.severity}:"
        first = first.replace(severity, click.style(severity, fg=COLOURS[one.severity], bold=True), 1)
        code = click.style(code, dim=True)
    return "\n".join([f"{first} {code}", *rest])


def _summary(reports: Sequence[Report]) -> str:
    errors, warnings = sum(report.errors for report in reports), sum(report.warnings for report in reports)
    checked = plural(len(reports), "file")
    notes = sum(one.severity == "note" for report in reports for one in report.findings)
    more = f", {plural(notes, 'note')}" if notes else ""
    if not errors and not warnings and not notes:
        return f"{checked} checked, nothing found"
    return f"{checked} checked: {plural(errors, 'error')}, {plural(warnings, 'warning')}{more}; `netdef explain CODE` says more"


def _plain(one: Diagnostic) -> dict[str, Any]:
    return {
        "code": one.code,
        "severity": one.severity,
        "title": CODES[one.code][0],
        "message": one.message,
        "reason": one.hint,
        **_place(one.position),
        "notes": [{"message": note.message, **_place(note.position)} for note in one.notes],
    }


def _place(at: Position | None) -> dict[str, Any]:
    if at is None:
        return {"file": None, "line": None, "column": None, "length": None}
    return {"file": at.file, "line": at.line, "column": at.column, "length": at.length}


def _sarif(findings: Iterable[Diagnostic]) -> dict[str, Any]:
    found = list(findings)
    codes = sorted({one.code for one in found})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code][0]},
            "fullDescription": {"text": CODES[code][1]},
            "help": {"text": CODES[code][1]},
        }
        for code in codes
    ]
    results = []
    for one in found:
        result: dict[str, Any] = {
            "ruleId": one.code,
            "ruleIndex": codes.index(one.code),
            "level": one.severity,
            "message": {"text": f"{one.message}: {one.hint}" if one.hint else one.message},
        }
        if one.position is not None:
            result["locations"] = [_location(one.position)]
        related = [{**_location(note.position), "message": {"text": note.message}} for note in one.notes if note.position]
        if related:
            result["relatedLocations"] = related
        results.append(result)
    driver = {"name": "netdef", "rules": rules}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _location(at: Position) -> dict[str, Any]:
    region = {"startLine": at.line, "startColumn": at.column, "endLine": at.line, "endColumn": at.column + at.length}
    return {"physicalLocation": {"artifactLocation": {"uri": at.file.replace("\\", "/")}, "region": region}}
