"""`netdef runs`: a table of runs."""

from __future__ import annotations

import json
import math
import os
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.shell import Command, columns
from netdef.language.diagnostics import NetdefError, plain

if TYPE_CHECKING:
    from runtime.solver.run_facts import RunFacts

RUNS, DEPTH = "runs", 2  # the folder that runs are in, and how deep below one they are looked for
WIDTH, NARROWEST = 120, 30  # columns where no terminal says otherwise, and the least for differences
HEAD = ("run", "state", "iterations", "best", "last", "time")
SHOWN = 6  # differences of a run
SORTS = ("begun", "best", "name")


@click.command(cls=Command)
@click.argument("folders", nargs=-1, metavar="[DIR...]")
@click.option("--sort", type=click.Choice(SORTS), default="begun", show_default=True, help="Order of the rows.")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
def command(folders: tuple[str, ...], sort: str, form: str) -> int:
    """A table of the runs in each DIR, by default in runs/: state, results, time, and how each differs from the first.

    A DIR may be a run itself. Differences are those of `netdef diff`, to the run in the first row
    that has a net.net.
    """
    found, wrong = read(runs_in(folders or (RUNS,)))
    order: dict[str, Any] = {
        "begun": lambda path: (found[path].begun == 0, found[path].begun, str(path)),  # those not begun last
        "name": lambda path: str(path),
        "best": lambda path: _rank(found[path]),
    }
    paths = sorted(found, key=order[sort])
    differences = _differences(paths)
    text = {"json": _json, "csv": _csv, "text": _text}[form]({path: found[path] for path in paths}, differences)
    if text:
        click.echo(text)
    for line in wrong:
        click.echo(f"warning: {line}", err=True)
    return 0


def runs_in(folders: Sequence[str]) -> list[Path]:
    """The directories of runs in some folders, each once.

    Raises
    ------
    NetdefError: a folder is not there, or none has a run.
    """
    from runtime.solver.log import NAME

    found: dict[Path, None] = {}
    for folder in map(Path, folders):
        if not os.path.isdir(folder):  # which is also False of a name too long
            what = f"{folder} is a file" if os.path.exists(folder) else f"there is no folder {folder}"
            raise NetdefError(what, hint=f"netdef train makes runs in {RUNS}; give the folder that has yours")
        if (folder / NAME).is_file():
            found[folder] = None
            continue
        for depth in range(1, DEPTH + 1):
            found.update(dict.fromkeys(path.parent for path in sorted(folder.glob("*/" * depth + NAME))))
    if not found:
        raise NetdefError(f"there is no run in {' or '.join(folders)}", hint="netdef train makes one; a run has a log.jsonl")
    return list(found)


def read(paths: Sequence[Path]) -> tuple[dict[Path, RunFacts], list[str]]:
    """What each run's log says, and why those that are left out could not be read."""
    from runtime.solver.run_facts import facts_of

    found: dict[Path, RunFacts] = {}
    wrong: list[str] = []
    for path in paths:
        try:
            found[path] = facts_of(path)
        except NetdefError as error:
            wrong.append(error.diagnostics[0].message)
    return found, wrong


def _first(paths: Sequence[Path]) -> Path | None:
    """The run that the others are compared with: the first that has a net."""
    from netdef.language.find import RUN_NET

    return next((path for path in paths if (path / RUN_NET).is_file()), None)


def _differences(paths: Sequence[Path]) -> dict[Path, list[str]]:
    from netdef.diff.short import short_difference

    first, found = _first(paths), {}
    for path in paths:
        words = short_difference(str(first), str(path)) if path != first else []
        found[path] = ["it has no net.net to compare"] if words is None else words
    return found


def _rank(run: RunFacts) -> tuple[bool, float]:
    """Sorts the best run first, those that diverged or have no tests last."""
    if math.isnan(run.best) or run.state == "diverged":
        return True, 0.0
    return False, run.best if run.metric == "loss" else -run.best


def _text(found: dict[Path, RunFacts], differences: dict[Path, list[str]]) -> str:
    from netdef.diff.short import shortest
    from runtime.solver.display import duration

    rows, paths = [HEAD], list(found)
    first_with_net = _first(paths)
    head = "differs from the first" if first_with_net in (None, *paths[:1]) else f"differs from {first_with_net}"
    for path, run in found.items():
        best = f"{_value(run.metric, run.best)} at {run.best_iteration:,}" if not math.isnan(run.best) else ""
        last = _value(run.metric, run.last) or (f"loss {run.loss:.4g}" if not math.isnan(run.loss) else "")
        of = f"{run.iteration:,} of {run.max_iter:,}" if run.max_iter else f"{run.iteration:,}"
        rows.append((plain(str(path)), run.state, of, best, last, duration(run.seconds)))
    metrics = list(dict.fromkeys(run.metric for run in found.values() if run.metric))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row, words in zip(rows, [None, *differences.values()], strict=True):
        cells = [
            cell.rjust(width) if index in (2, 5) else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells)
        text = plain(head if words is None else shortest(words, SHOWN))
        room = max(columns(WIDTH) - len(line) - 2, NARROWEST)
        first, *rest = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
        lines += [f"{line}  {first}".rstrip(), *(" " * (len(line) + 2) + more for more in rest)]
    return "\n".join([*lines, *([f"best and last: {', '.join(map(plain, metrics))} of tests"] if metrics else [])])


def _value(metric: str, value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.4g}" if metric == "loss" else f"{100 * value:.2f}%"


def _records(found: dict[Path, RunFacts], differences: dict[Path, list[str]]) -> list[dict[str, Any]]:
    def finite(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return [
        {"run": str(path), **{name: finite(value) for name, value in asdict(run).items()}, "differences": differences[path]}
        for path, run in found.items()
    ]


def _json(found: dict[Path, RunFacts], differences: dict[Path, list[str]]) -> str:
    return json.dumps(_records(found, differences), indent=1)


def _csv(found: dict[Path, RunFacts], differences: dict[Path, list[str]]) -> str:
    import csv
    from io import StringIO

    records = _records(found, differences)
    if not records:
        return ""
    out = StringIO()
    writer = csv.DictWriter(out, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**record, "differences": ", ".join(record["differences"])} for record in records)
    return out.getvalue().rstrip("\n")
