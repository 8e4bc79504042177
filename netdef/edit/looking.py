"""What a text says: what `netdef check` finds in it, and the drawing and the table of its net in each phase."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types

from netdef.check.run import Report, check_text
from netdef.draw import render
from netdef.graph.net import Net
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.units import binary, decimal, thousands
from netdef.lsp.document import Document, utf16
from netdef.lsp.findings import by_file
from netdef.shapes import describe

_SEVERITIES = {types.DiagnosticSeverity.Error: "error", types.DiagnosticSeverity.Warning: "warning"}


class Looked:
    """A text that was checked.

    Attributes
    ----------
    nets: the net of each phase that could be built.
    """

    def __init__(self, text: str, name: str) -> None:
        self.document = Document(text, Path(name), name)
        name = self.document.name
        self.report = check_text(text, name) if text.strip() else Report(name)

    @property
    def nets(self) -> dict[str, Net]:
        return self.report.nets

    def findings(self) -> dict[str, Any]:
        """The findings as messages, and as marks in the text; offsets count as JavaScript's strings do."""
        marks = by_file(self.document, self.report.findings, str, utf16, False)
        return {
            "messages": [self._message(one) for one in self.report.findings],
            "marks": [_mark(one) for one in marks[self.document.uri]],
            "phases": list(self.nets),
        }

    def _message(self, one: Diagnostic) -> dict[str, Any]:
        """A finding as the command prints it, and the line that it is about; 0 for another file's."""
        at = one.position
        while at is not None and at.file != self.document.name:
            at = at.source.included_from if at.source is not None else None
        return {"severity": one.severity, "code": one.code, "text": str(one), "line": at.line if at is not None else 0}


def _mark(one: types.Diagnostic) -> dict[str, Any]:
    start, end = one.range.start, one.range.end
    return {
        "from": [start.line, start.character],
        "to": [end.line, end.character],
        "severity": _SEVERITIES.get(one.severity or types.DiagnosticSeverity.Error, "info"),
        "message": one.message,
        "code": str(one.code or ""),
    }


def picture(net: Net) -> str:
    """The page of `netdef draw`; a page that says why where it cannot be drawn."""
    return render(net, "html").decode()


def table(net: Net) -> dict[str, Any]:
    """The rows of `netdef shapes`: texts to show, and of each the line of the text that declares it; 0 for an included file's."""
    facts = describe(net)
    totals = facts["totals"]
    layers = zip(net.layers, facts["layers"], strict=True)
    return {
        "rows": [{"cells": _cells(entry), "line": _line(layer, net.filename)} for layer, entry in layers],
        "totals": ["total", "", "", "", _number(totals["parameters"], thousands), _number(totals["macs_per_image"], decimal),
                   _number(totals["activation_bytes"], binary)],
    }  # fmt: skip


def _cells(entry: dict[str, Any]) -> list[str]:
    """Name, type, output, weights, parameters, MACs and activations of a layer, which is as `netdef.shapes.describe` has it."""
    weights = " + ".join(" x ".join(map(str, one["shape"])) or "1" for one in entry["weights"])
    return [
        entry["name"],
        entry["type"],
        ", ".join(top["output"] for top in entry["tops"]),
        weights,
        _number(entry["parameters"], thousands),
        _number(entry["macs_per_image"], decimal),
        "in place" if entry["in_place"] else _number(entry["activation_bytes"], binary),
    ]


def _number(value: int | None, text: Callable[[int], str]) -> str:
    """A number; ? where it is not known, nothing for none."""
    return "?" if value is None else text(value) if value else ""


def _line(layer: Any, file: str) -> int:
    at = layer.where("name") or layer.position
    return at.line if at is not None and at.file == file else 0


def phase(looked: Looked, name: str) -> dict[str, Any]:
    """The drawing and the table of a phase.

    Raises
    ------
    NetdefError: the text has no net in this phase, or a library is missing.
    """
    net = looked.nets.get(name)
    if net is None:
        raise NetdefError(f"the text has no whole net in the {name} phase")
    return {"picture": picture(net), "table": table(net)}
