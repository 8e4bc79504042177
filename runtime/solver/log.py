"""DIR/log.jsonl: one JSON object a line for everything that a run shows."""

import fcntl
import json
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.solver.caffe_log import caffe_records, is_caffe_log

NAME = "log.jsonl"
Record = dict[str, Any]
CAFFE_LINES = 1000  # the first lines, one of which is glog's in a log of Caffe's


class JsonLog:
    """Appends records to a file, each on disk as soon as it is made: a killed run loses none.

    Raises
    ------
    NetdefError: the file cannot be written, or another run is writing to it.
    """

    live = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            cut = ends_in_the_middle(self.path)
            self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - open for the whole run
            self._lock()
            if cut:
                self._file.write("\n")
        except OSError as error:
            raise NetdefError(f"cannot write {self.path}: {error.strerror}") from None

    def _lock(self) -> None:
        """Keep other runs from the directory until this one ends, however it ends."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            hint = "--out DIR names another directory"
            raise NetdefError(f"another run is writing to {self.path.parent}", hint=hint) from None
        except OSError:
            pass  # a file system without locks

    def show(self, record: Record) -> None:
        try:
            self._file.write(json.dumps(finite(record), separators=(",", ":")) + "\n")
            self._file.flush()
        except OSError as error:
            raise NetdefError(f"cannot write {self.path}: {error.strerror}") from None

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        """Leave no log."""
        self.close()
        self.path.unlink(missing_ok=True)


def ends_in_the_middle(path: Path) -> bool:
    """Whether a file's last line was never finished: the run that wrote it was killed."""
    if not path.exists() or not path.stat().st_size:
        return False
    with open(path, "rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"


def finite(value: Any) -> Any:
    """The value with null for what JSON has no numbers for."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_log(path: str | Path) -> list[Record]:
    """The records of a run, of a run's directory, or of what `caffe train` printed; those that a resumed run did again are there
    once, as done last.

    Raises
    ------
    NetdefError: there is no log, or it is something else.
    """
    path = Path(path)
    path = path / NAME if path.is_dir() else path
    try:
        records = list(records_in(path))
    except OSError as error:
        raise NetdefError(
            f"cannot read {path}: {error.strerror}", hint="netdef train writes log.jsonl into its run's directory"
        ) from None
    return without_undone(records)


def records_in(path: Path) -> Iterator[Record]:
    with open(path, encoding="utf-8", errors="replace") as file:
        first = next((line for line in islice(file, CAFFE_LINES) if is_caffe_log(line)), None)
        file.seek(0)
        if first is not None:
            yield from caffe_records(file)
            return
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the line that a killed run was writing
            if isinstance(record, dict) and "event" in record:
                yield record


def without_undone(records: list[Record]) -> list[Record]:
    """Drop what a run did after the snapshot that it was later resumed from."""
    kept: list[Record] = []
    for record in records:
        if record["event"] == "start":
            first = record.get("iteration", 0)
            kept = [old for old in kept if old["event"] == "start" or before(old, first)]
        kept.append(record)
    return kept


def before(record: Record, first: int) -> bool:
    """Whether a record is of something that a run resumed at iteration `first` does not do again."""
    iteration = record.get("iteration", 0)
    return iteration <= first if record["event"] == "snapshot" else iteration < first
