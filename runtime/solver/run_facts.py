"""What a run's log says about the run: its state, how far it came, its best test, its time."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netdef.language.diagnostics import NetdefError
from runtime.solver.best import Best
from runtime.solver.comparison import run_of
from runtime.solver.log import NAME, JsonLog, Record, done, read_log

STATES = ("running", "finished", "interrupted", "diverged", "killed", "not begun")


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run.

    Attributes
    ----------
    state: one of STATES; killed: its log ends without saying how.  iteration: updates that were made; max_iter: all it has.
    metric: the name of its first accuracy, `loss` where its tests have none, "" without tests.  best, best_iteration: of its tests.
    last: of its last test.  loss: the last training loss that was shown.  Numbers that there are none of are nan.
    seconds: how long it ran, all its starts together.  begun: when it started first, as seconds since 1970; 0 if unknown.
    """

    name: str
    state: str
    iteration: int
    max_iter: int
    metric: str
    best: float
    best_iteration: int
    last: float
    loss: float
    seconds: float
    begun: float


def facts_of(directory: Path) -> RunFacts:
    """What the log in a run's directory says.

    Raises
    ------
    NetdefError: there is no log, it is none of netdef's, or its records are damaged.
    """
    try:
        return _facts(directory)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):  # text for a number, say
        hint = "move it away, or give the folders of the other runs"
        raise NetdefError(f"{directory / NAME} is damaged: a record is not as netdef writes it", hint=hint) from None


def _facts(directory: Path) -> RunFacts:
    records = read_log(directory)
    if not any(record["event"] == "start" for record in records) and (directory / NAME).stat().st_size:
        raise NetdefError(f"{directory / NAME} is no log of a run: no line of it says that one started")
    starts = [record for record in records if record["event"] == "start"]
    start = starts[-1] if starts else {}
    found, best = run_of(records), Best()
    best.take_log(records)
    metric = found.name if best.value is None else best.name  # a run that diverged has a best test too
    return RunFacts(
        str(start.get("name") or directory.name),
        _state(directory, records),
        int(done(records)),
        int(start.get("max_iter") or 0),
        metric,
        math.nan if best.value is None else float(best.value),
        int(best.iteration),
        float(found.metric) if found.name == metric else math.nan,
        float(found.loss),
        _seconds(records),
        float(next((record["time"] for record in records if "time" in record), 0.0)),
    )


def is_running(run: Path) -> bool:
    """Whether a run is being written now, given its directory or its log."""
    log = run / NAME if os.path.isdir(run) else run
    try:
        JsonLog.check_unlocked(log)
    except NetdefError:
        return True
    return False


def _state(directory: Path, records: Sequence[Record]) -> str:
    if is_running(directory):
        return "running"
    last = next((record for record in reversed(records) if record["event"] in ("start", "end")), None)
    if last is None:
        return "not begun"
    return "killed" if last["event"] == "start" else str(last.get("reason", "finished"))


def _seconds(records: Sequence[Record]) -> float:
    """The time from each start to the last record before the next: as the run counted it, else by the clock of the day.

    The two count from different moments: those of one start are all of one clock, and a record without it is left out.
    """
    total, begun, last, clock = 0.0, None, 0.0, "time"
    for record in records:
        starts = record["event"] == "start"
        clock = ("elapsed" if "elapsed" in record else "time") if starts else clock
        now = record.get(clock)
        if now is None:
            continue
        if starts:
            total += 0.0 if begun is None else max(0.0, last - begun)
            begun = now
        last = now
    return total + (0.0 if begun is None else max(0.0, last - begun))
