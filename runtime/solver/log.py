"""DIR/log.jsonl: one JSON object a line for everything that a run shows."""

import fcntl
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.writing import make_folder
from runtime.solver.caffe_log import caffe_records, is_caffe_log
from runtime.solver.log_records import is_sound

NAME = "log.jsonl"
Record = dict[str, Any]
FORMAT = 1  # of the records, in each one of a start
SYNCED = ("start", "snapshot", "end")  # the events whose records are on disk before the run goes on
TRIES, BETWEEN = 10, 0.03  # of locking a log, and seconds between two
TAIL = 1 << 16  # bytes of a log that are read at a time
CAFFE_LINES = 1000  # the first lines, one of which is glog's in a log of Caffe's


class JsonLog:
    """Appends records to a file, each given to the system as soon as it is made: a killed run loses none.

    The file is locked until the run ends, however it ends. What a killed run left of its last line is removed. What a run can
    be resumed from is on disk when its record is: a power cut loses no record from before a snapshot.

    Raises
    ------
    NetdefError: the file cannot be written, or another run is writing to it.
    """

    live = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            make_folder(self.path.parent)
            self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - open for the whole run
            if not (lock_soon(self._file.fileno()) and is_named(self._file.fileno(), self.path)):
                self._file.close()
                raise _another_run(self.path)
            whole = whole_length(self.path)
            if whole < self.path.stat().st_size:
                self._file.truncate(whole)
        except OSError as error:
            raise NetdefError(f"cannot write {self.path}: {error.strerror}") from None

    @staticmethod
    def check_unlocked(path: Path) -> None:
        """Check that no run is writing to a log that is there.

        Raises
        ------
        NetdefError: one is.
        """
        with suppress(OSError), open(path, "rb") as file:
            if not _lock(file.fileno(), fcntl.LOCK_SH):  # which others who look can have at the same time
                raise _another_run(path)

    def show(self, record: Record) -> None:
        try:
            self._file.write(json.dumps(finite(record), separators=(",", ":")) + "\n")
            self._file.flush()
            if record.get("event") in SYNCED:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise NetdefError(f"cannot write {self.path}: {error.strerror}") from None

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        """Leave no log."""
        self.path.unlink(missing_ok=True)
        self.close()


def lock_soon(descriptor: int) -> bool:
    """`_lock` to write, tried again while it may be that others only look whether a run is writing."""
    for _ in range(TRIES - 1):
        if _lock(descriptor):
            return True
        time.sleep(BETWEEN)
    return _lock(descriptor)


def _lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether a file can be locked: until it is closed, or the process has ended in any way."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def is_named(descriptor: int, path: Path) -> bool:
    """Whether a file still has its name: the run that had the lock may have removed it."""
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


def _another_run(path: Path) -> NetdefError:
    return NetdefError(f"another run is writing to {path.parent}", hint="--out DIR names another directory")


def whole_length(path: Path) -> int:
    """The bytes of a log up to the end of its last whole line."""
    end = path.stat().st_size
    with open(path, "rb") as file:
        while end:
            begin = max(0, end - TAIL)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            if newline >= 0:
                return begin + newline + 1
            end = begin
    return 0


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
    path = path / NAME if os.path.isdir(path) else path  # isdir: False of a path too long
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
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue  # the line that a killed run was writing
            if not (isinstance(record, dict) and "event" in record):
                continue
            if not is_sound(record):
                hint = "move it away, or take that line out"
                raise NetdefError(f"{path} is damaged: line {number} is not as netdef writes it", hint=hint)
            yield record


def without_undone(records: list[Record]) -> list[Record]:
    """Drop what a run did after the snapshot that it was later resumed from, and each test that it made again."""
    kept: list[Record] = []
    for record in records:
        if record["event"] == "start":
            first = record.get("iteration", 0)
            kept = [old for old in kept if old["event"] == "start" or before(old, first)]
        kept.append(record)
    made = {_test(record): record for record in kept if record["event"] == "test"}
    return [record for record in kept if record["event"] != "test" or made[_test(record)] is record]


def _test(record: Record) -> tuple[Any, Any]:
    return record.get("iteration"), record.get("net", 0)


def before(record: Record, first: int) -> bool:
    """Whether a record is of something that a run resumed at iteration `first` does not do again, or may not: a test of then."""
    iteration = record.get("iteration", 0)
    at_first = record["event"] == "snapshot" or (record["event"] == "test" and first > 0)
    return iteration <= first if at_first else iteration < first


def done(records: Sequence[Record]) -> int:
    """How many iterations a log says were made: the record of training number 9 is of the tenth."""
    numbered = [record for record in records if record.get("iteration") is not None]
    return max((record["iteration"] + (record["event"] == "train") for record in numbered), default=0)
