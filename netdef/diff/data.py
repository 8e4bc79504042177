"""A Difference as plain data, for other programs."""

from __future__ import annotations

import json
from typing import Any

from netdef.diff.compare import Compared
from netdef.diff.difference import Difference
from netdef.diff.finding import Finding
from netdef.graph.net import Totals


def render(difference: Difference) -> str:
    """The JSON of `netdef diff`."""
    return json.dumps(describe(difference), indent=1)


def describe(difference: Difference) -> dict[str, Any]:
    """Findings as in the text, and below `phases` every layer that differs with all its changes."""
    return {
        "before": difference.before,
        "after": difference.after,
        "same": not difference,
        "notes": difference.notes,
        "findings": [
            {"phase": section.phase or None, **_finding(finding)} for section in difference.sections for finding in section.findings
        ],
        "phases": {phase: _compared(compared) for phase, compared in difference.compared.items()},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "title": finding.title,
        "layers": list(finding.layers),
        "lines": finding.lines,
        "changes": [
            {"layers": list(row.who), "what": row.what, "before": row.values[0], "after": row.values[1]} for row in finding.rows
        ],
        "facts": [
            {"layer": one.who, **{kind: {"before": pair[0], "after": pair[1]} for kind, pair in one.values.items()}}
            for one in finding.facts
        ],
        "costs": finding.costs,
    }


def _compared(compared: Compared) -> dict[str, Any]:
    layers = []
    for match in compared.matches:
        changes = compared.changes.get(match, [])
        if changes or not (match.before and match.after):
            layers.append(
                {
                    "before": [layer.name for layer in match.before],
                    "after": [layer.name for layer in match.after],
                    "type": match.first.type,
                    "changes": [{"what": c.what, "kind": c.kind, "before": c.values[0], "after": c.values[1]} for c in changes],
                }
            )
    before, after = compared.totals
    return {"layers": layers, "totals": {"before": _totals(before), "after": _totals(after)} if compared.sized else None}


def _totals(totals: Totals) -> dict[str, int]:
    return {
        "parameters": totals.parameters,
        "statistics": totals.statistics,
        "macs_per_image": totals.macs,
        "activation_bytes": totals.activation_bytes,
    }
