"""The difference of two nets or runs in a few words: for a table of runs, and for the legend of a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from netdef.diff.command import compare, solver_rows
from netdef.diff.finding import Finding
from netdef.language.diagnostics import NetdefError
from netdef.language.find import RUN_NET

RECORD = "run.json"  # of a run: its commands
LAYERS = 3  # that are named where more change alike
IN_LABEL = 3  # differences
QUIET = ("snapshot_prefix", "display", "snapshot", "average_loss", "solver_mode", "device_id")  # change no result


def short_difference(a: str, b: str) -> list[str] | None:
    """What distinguishes the run in directory `b` from that in `a`, each as "base_lr 0.1 -> 0.01"; empty where nothing does.

    None where one of them has no net or solver of its own to compare.
    """
    if not all((Path(run) / RUN_NET).is_file() for run in (a, b)):
        return None
    found: list[str] = []
    started = [_weights(run) for run in (a, b)]
    if started[0] != started[1]:
        found.append(f"weights {started[0] or 'none'} -> {started[1] or 'none'}")
    try:
        found += [f"{row.what} {row.before} -> {row.after}" for row in solver_rows(a, b) if row.what not in QUIET]
        difference = compare(a, b)
        names = difference.main.before.name, difference.main.after.name
        if names[0] != names[1]:
            found.insert(0, f"network {names[0] or 'unnamed'} -> {names[1] or 'unnamed'}")
        for section in difference.sections:
            phase = f" ({section.phase})" if section.phase else ""
            found += [f"{text}{phase}" for finding in section.findings for text in _texts(finding)]
    except NetdefError as error:
        return [*found, f"cannot be compared: {error.diagnostics[0].message}"]
    return found


def _weights(run: str) -> str:
    """What a run started from, as its record says; "" where it says nothing."""
    with suppress(OSError, ValueError, TypeError, KeyError, IndexError):
        return str(json.loads((Path(run) / RECORD).read_text(encoding="utf-8"))["starts"][0]["weights"] or "")
    return ""


def _texts(finding: Finding) -> Iterator[str]:
    """A finding's settings, or what its title says."""
    if finding.kind == "follows":
        return
    if not finding.rows:
        yield finding.title
    for row in finding.rows:
        yield f"{_named(row.who)} {row.what} {row.before} -> {row.after}".lstrip()


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:LAYERS]) + (f" and {len(names) - LAYERS} more" if len(names) > LAYERS else "")


def shortest(words: Sequence[str], most: int) -> str:
    """Differences in a line, so many of them at most."""
    return ", ".join(words[:most]) + (f", and {len(words) - most} more" if len(words) > most else "")


def labels(runs: Sequence[str]) -> dict[str, str]:
    """A label for each run: its directory's name, and how it differs from the first."""
    result: dict[str, str] = {}
    names = [os.path.basename(os.path.normpath(run)) for run in runs]
    for index, run in enumerate(runs):
        name = names[index] if names.count(names[index]) == 1 else run
        words: list[str] | None = None
        with suppress(OSError):
            words = short_difference(runs[0], run) if index else None
        result[run] = name if not words else f"{name}: {shortest(words, IN_LABEL)}"
    return result
