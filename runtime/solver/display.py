"""What a run shows while it runs: a progress bar on a terminal, plain lines anywhere else.

Both are fed the records that go to log.jsonl, so nothing is shown that is not there too.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from netdef.language.printable import printable, raw
from runtime.solver.log import Record

SECONDS_OF_DAY = 86400
DAYS = 3  # from which on hours say little
RANKS_SHOWN = 8  # ranks whose speeds are in a line


class Sink(Protocol):
    """Takes a run's records.  live: takes train records several times a second, not only where a line is due."""

    live: bool

    def show(self, record: Record) -> None: ...

    def close(self) -> None: ...


@contextmanager
def unless_terminal_is_gone() -> Iterator[None]:
    """Ignore that the terminal is gone; the run goes on to its snapshot."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise


class Reporter:
    """Makes records and gives each to every sink; a sink that joins late gets the earlier ones first."""

    def __init__(self, *sinks: Sink) -> None:
        self.sinks = list(sinks)
        self.records: list[Record] = []
        self._begun = time.monotonic()

    def report(self, event: str, **values: Any) -> None:
        """Make a record of what happened, at this time."""
        elapsed = time.monotonic() - self._begun  # the clock of the day may jump
        record = {"event": event, **values, "time": round(time.time(), 3), "elapsed": round(elapsed, 3)}
        if event == "note":
            self.records.append(record)
        for sink in self.sinks:
            with unless_terminal_is_gone():
                sink.show(record)

    @property
    def live(self) -> bool:
        """Whether any sink takes records between the lines that are due."""
        return any(sink.live for sink in self.sinks)

    def note(self, text: str) -> None:
        """A remark in words."""
        self.report("note", text=text)

    def join(self, sink: Sink) -> None:
        """Add a sink, and give it the remarks that it missed."""
        for record in self.records:
            sink.show(record)
        self.sinks.append(sink)


def open_display(stream: TextIO | None = None) -> Sink:
    """The display for a stream, by default stdout: live if it is a terminal that can move its cursor."""
    stream = stream or sys.stdout
    if stream.isatty():
        from rich.console import Console

        console = Console(file=raw(stream), highlight=False, markup=False, soft_wrap=True)
        if not console.is_dumb_terminal:
            return LiveDisplay(console)
    return PlainDisplay(stream)


class PlainDisplay:
    """A line a record, no control characters."""

    live = False

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def show(self, record: Record) -> None:
        line = "" if record["event"] == "train" and not record["due"] else text(record)
        if line:
            print(line, file=self.stream, flush=True)

    def close(self) -> None:
        pass


class LiveDisplay:
    """A progress bar at the bottom; tests, snapshots and remarks scroll by above it."""

    live = True

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[status]}"),
            console=console,
            transient=True,
            expand=True,
            refresh_per_second=4,
        )
        self.task: Any = None
        self.accuracy = ""

    def show(self, record: Record) -> None:
        event = record["event"]
        if event == "start":
            self.console.print(printable(text(record)))
            self.task = self.progress.add_task(
                printable(record["name"]), total=record["max_iter"], completed=record["iteration"], status="starting"
            )
            self.progress.start()
        elif event == "train":
            self.progress.update(self.task, completed=record["iteration"] + 1, status=self.status(record))
        elif event == "testing":
            self.progress.update(self.task, status=f"testing {record['batch']}/{record['batches']}")
        else:
            if event == "test" and record["accuracies"]:
                self.accuracy = f"  test {record['outputs'][record['accuracies'][0]]:.1%}"
            if event in ("end", "stopping"):
                self.progress.stop()
            self.console.print(printable(text(record)))

    def status(self, record: Record) -> str:
        parts = [*epoch_text(record), f"loss {record['loss']:.4g}", f"rate {record['rate']:.3g}"]
        if "images_per_second" in record:
            parts.append(f"{record['images_per_second']:.1f} images/s")
        if "eta_seconds" in record:
            parts.append(f"eta {duration(record['eta_seconds'])}")
        return "  ".join(parts) + self.accuracy

    def close(self) -> None:
        with unless_terminal_is_gone():
            self.progress.stop()


def text(record: Record) -> str:
    """A record as a line for people; "" for one that only moves a progress bar."""
    writer = WRITERS.get(record["event"])
    return writer(record) if writer else ""


def start_text(record: Record) -> str:
    batch = f"batches of {record['batch_size']}"
    threads = f" ({record['threads']} thread{'' if record['threads'] == 1 else 's'})" if record["threads"] else ""
    first = f"from iteration {record['iteration']} " if record["iteration"] else ""
    on = f"{record['devices']}{threads}"
    if record.get("ranks"):
        on = f"{record['ranks']} ranks, {on} each"
    line = f"training {record['name']} on {on}, {batch}, {first}to iteration "
    return line + f"{record['max_iter']}; seed {record['seed']}; files in {record['out']}"


def train_text(record: Record) -> str:
    parts = [
        f"iteration {record['iteration']:>6}",
        *epoch_text(record),
        f"loss {record['loss']:<8.4g}",
        f"rate {record['rate']:<8.4g}",
    ]
    if "images_per_second" in record:
        parts.append(f"{record['images_per_second']:.1f} images/s")
    if "ranks_images_per_second" in record:
        parts.append(ranks_text(record))
    if "eta_seconds" in record:
        parts.append(f"eta {duration(record['eta_seconds'])}")
    return "  ".join(parts).rstrip()


def ranks_text(record: Record) -> str:
    """The speed of each rank, of many only the lowest and the highest, and which is the slowest."""
    rates = record["ranks_images_per_second"]
    some = rates if len(rates) <= RANKS_SHOWN else [min(rates), max(rates)]
    shown = (" " if some is rates else " to ").join(f"{rate:.1f}" for rate in some)
    return f"(by rank {shown}, slowest {record['slowest_rank']} on {record['slowest_host']})"


def epoch_text(record: Record) -> list[str]:
    """The epoch, where the run counts them."""
    return [f"epoch {record['epoch']:<6.2f}"] if "epoch" in record else []


def test_text(record: Record) -> str:
    parts = [f"iteration {record['iteration']:>6}", "test" if not record["net"] else f"test net {record['net']}"]
    losses = {} if record["loss"] is None else {"loss": record["loss"]}
    for name, value in {**losses, **record["outputs"]}.items():
        parts.append(f"{name} {value:.1%}" if name in record["accuracies"] else f"{name} {value:.4g}")
    return "  ".join(parts) + f"  ({duration(record['seconds'])})"


def end_text(record: Record) -> str:
    return "\n".join(record["lines"])


WRITERS = {
    "start": start_text,
    "train": train_text,
    "test": test_text,
    "snapshot": lambda record: f"iteration {record['iteration']:>6}  snapshot {record['path']}",
    "rate": lambda record: f"iteration {record['iteration']:>6}  the test metric stands still: rate {record['rate']:.4g}",
    "note": lambda record: record["text"],
    "stopping": lambda record: record["text"],
    "end": end_text,
}


def duration(seconds: float) -> str:
    """Seconds as people say them: 4.2 s, 3:05, 2:00:01, 340 days."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds >= DAYS * SECONDS_OF_DAY:
        return f"{seconds / SECONDS_OF_DAY:,.{1 if seconds < 10 * SECONDS_OF_DAY else 0}f} days"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
