"""A run's numbers as TensorBoard's events, in the run's directory: `tensorboard --logdir runs` shows all runs.

tensorboardX writes the file, here as each record comes: its own queue and thread would hide an error, and could stop the run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install
from runtime.solver.log import Record

Arrays = Iterable[tuple[str, np.ndarray]]
BINS = 64
_FILES = "events.out.tfevents.*"
LEFT_OUT = (
    "due",
    "time",
    "elapsed",
    "event",
    "iteration",
    "outputs",
    "eta_seconds",
    "ranks_images_per_second",
    "slowest_rank",
    "slowest_host",
)


class Events:
    """A sink of records; an error of writing ends the file, with a note, and not the run.

    Parameters
    ----------
    first: the iteration that the run begins or goes on at: TensorBoard drops what earlier files say of later ones.
    say: takes the note. weights: the learned arrays of now by name, whose histograms go with each test; None for none.
    """

    live = False

    def __init__(self, folder: Path, first: int, say: Callable[[str], None], weights: Callable[[], Arrays] | None = None) -> None:
        """Raises NetdefError: tensorboardX is missing, or no file can be made."""
        check_library()
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        self._folder, self._say, self._weights = folder, say, weights
        self._not_finite: set[str] = set()  # arrays that a note has named
        before = {*folder.glob(_FILES)}
        try:
            self._file: Any = EventsWriter(os.path.join(os.path.abspath(folder), "events"), f".{os.getpid()}.{first}")
            # A test of iteration `first` is one from before the snapshot, and need not be made again.
            self._add(first + bool(first), time.time(), session_log=SessionLog(status=SessionLog.START))
            self._file.flush()
        except OSError as error:
            raise NetdefError(f"cannot write events to {folder}: {error.strerror}") from None
        self._own = {*folder.glob(_FILES)} - before

    def show(self, record: Record) -> None:
        if self._file is None or record["event"] not in ("train", "test", "rate") or record.get("due") is False:
            return
        try:
            for tag, value in scalars(record):
                self._add_scalar(record, tag, value)
            if record["event"] == "test" and not record["net"] and self._weights is not None:
                for name, array in self._weights():
                    self._add_histogram(record, name, array)
            self._file.flush()
        except OSError as error:
            self._file = None
            self._say(f"warning: no more events for TensorBoard: cannot write to {self._folder}: {error.strerror}")

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):  # of a full disk; a note has said so, or what is lost is a line
                file.close()

    def discard(self) -> None:
        """Leave no file."""
        self.close()
        for path in self._own:
            path.unlink(missing_ok=True)

    def _add_scalar(self, record: Record, tag: str, value: float) -> None:
        from tensorboardX.summary import scalar

        self._add(record["iteration"], record["time"], summary=scalar(tag, float(value)))

    def _add_histogram(self, record: Record, name: str, array: np.ndarray) -> None:
        from tensorboardX.summary import histogram

        finite = array[np.isfinite(array)]
        if finite.size < array.size and name not in self._not_finite:
            self._not_finite.add(name)
            self._say(f"warning: {name} holds NaN or infinity from iteration {record['iteration']:,} on: histograms leave them out")
        if finite.size:
            self._add(record["iteration"], record["time"], summary=histogram(name, finite, BINS))

    def _add(self, iteration: int, when: float, **what: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._file.write_event(Event(wall_time=when, step=iteration, **what))


def scalars(record: Record) -> Iterator[tuple[str, float]]:
    """The numbers of a record, each with its tag: train/loss, rate, test/accuracy, test1/accuracy of the second test net."""
    if record["event"] == "rate":
        yield "rate", record["rate"]
        return
    room = record["event"] if not record.get("net") else f"test{record['net']}"
    named = {key: value for key, value in record.items() if key not in (*LEFT_OUT, "net", "accuracies", "seconds")}
    for name, value in {**named, **record.get("outputs", {})}.items():
        if isinstance(value, int | float):
            yield (name if name in ("rate", "epoch", "images_per_second") else f"{room}/{name}"), value


def check_library() -> None:
    """Raises NetdefError: tensorboardX is not installed."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise NetdefError(
            "--tensorboard needs the library tensorboardX, which is not installed", hint=install("tensorboard")
        ) from None
