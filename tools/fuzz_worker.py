"""Inputs of one reader, read in a fork of the fuzzer: what ends the process, hangs or takes memory ends the fork alone."""

from __future__ import annotations

import mmap
import os
import pickle
import random
import resource
import signal
import struct
import time
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz_coverage import Coverage
from fuzz_language import TooSlowError
from fuzz_readers import READERS

from netdef.language import NetdefError

ALL_COVERED, COVERED = 500, 4  # the first inputs, of which lines are looked at, and 1 in so many after them: it takes time
MOST_KEPT = 300  # inputs of a reader that are changed further
NAMED = {"side": "a.netdef.json", "run": "run.json"}  # readers that look for a file of a name
COUNTS = struct.Struct("qqd")  # inputs begun, refused, and the slowest's seconds: shared, so that they outlive the fork


@dataclass(frozen=True)
class Limits:
    """Of one input: seconds of the processor, and GB in addition to what the process has."""

    seconds: float
    gigabytes: float


@dataclass
class Batch:
    """What a fork is to read, and what it found.

    Attributes
    ----------
    first, count: of the inputs, which are numbered.  seconds: of the processor, after which to end before all are read.
    until: when to end too, as time.monotonic() has it.
    kept, new: names and contents of inputs to change.  begun: inputs that were begun.
    findings: a traceback, a file's name and its contents.
    died: what ended the fork in the midst of an input; "" if nothing did.
    """

    reader: str
    seed: int
    first: int
    count: int
    seconds: float
    until: float
    limits: Limits
    kept: list[tuple[str, bytes]]
    coverage: Coverage
    begun: int = 0
    refused: int = 0
    slowest: float = 0.0
    new: list[tuple[str, bytes]] = field(default_factory=list)
    findings: list[tuple[str, str, bytes]] = field(default_factory=list)
    died: str = ""


def run(batch: Batch, folder: Path) -> None:
    """Read a batch in a fork."""
    counts = mmap.mmap(-1, COUNTS.size)
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        code = 1
        try:
            found = _child(batch, folder, counts)
            with os.fdopen(send, "wb") as pipe:
                pickle.dump(found, pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        data = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    batch.begun, batch.refused, batch.slowest = COUNTS.unpack(counts[:])
    if status == 0:
        batch.new, batch.findings, lines = pickle.loads(data)  # of our own fork
        batch.coverage.lines |= lines
    else:
        batch.died = f"ended by {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
        if not batch.begun:
            raise SystemExit(f"{batch.reader}: the fork {batch.died} before it read an input")
        batch.findings = [(batch.died, path.name, path.read_bytes()) for path in folder.iterdir()]
    for path in folder.iterdir():
        path.unlink()


def draw_of(batch: Batch, number: int) -> random.Random:
    """The random numbers of one input: the same whichever batch it is of."""
    return random.Random(f"{batch.seed} {batch.reader} {number}")


def _child(batch: Batch, folder: Path, counts: mmap.mmap) -> tuple[list[tuple[str, bytes]], list[Any], set[Any]]:
    """Read the inputs. Returns those to change further, the findings and the lines reached first here."""
    known = set(batch.coverage.lines)
    limit_memory(batch.limits.gigabytes)
    reader, kept, new, findings = READERS[batch.reader], list(batch.kept), [], []
    refused, slowest, end = 0, 0.0, time.process_time() + batch.seconds
    for number in range(batch.first, batch.first + batch.count):
        if time.process_time() >= end or time.monotonic() >= batch.until:
            break
        draw = draw_of(batch, number)
        file, data = draw.choice(kept)
        data = reader.mutate(draw, data)
        path = folder / NAMED.get(batch.reader, file)
        path.write_bytes(data)
        counts[:] = COUNTS.pack(number - batch.first + 1, refused, slowest)
        before, start = len(batch.coverage.lines), time.process_time()
        report, was_refused = read(batch, path, draw, number < ALL_COVERED or number % COVERED == 0)
        refused += was_refused
        slowest = max(slowest, time.process_time() - start)
        if len(batch.coverage.lines) > before and len(kept) < MOST_KEPT and len(data) < 1 << 20:
            kept.append((file, data))
            new.append((file, data))
        if report:
            findings.append((report, file, data))
        path.unlink(missing_ok=True)
    counts[:] = COUNTS.pack(COUNTS.unpack(counts[:])[0], refused, slowest)
    return new, findings, batch.coverage.lines - known


def read(batch: Batch, path: Path, draw: random.Random, covered: bool) -> tuple[str, bool]:
    """The traceback of what a reader may not raise, "" where it ends well; and whether it refuses the file.

    covered: whether to look for new lines.
    """

    def ring(_: int, __: FrameType | None) -> None:
        raise TooSlowError

    end = time.process_time() + 2 * batch.limits.seconds + 1  # where Python's signals do not come through: the system ends the fork
    resource.setrlimit(resource.RLIMIT_CPU, (int(end), resource.getrlimit(resource.RLIMIT_CPU)[1]))
    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, batch.limits.seconds)  # of processor time: the machine may have other work
    try:
        with batch.coverage if covered else nullcontext():
            READERS[batch.reader].read(path, draw)
    except NetdefError:
        return "", True
    except (Exception, TooSlowError):
        return traceback.format_exc(), False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "", False


def limit_memory(gigabytes: float) -> None:
    """Let the process take so much more memory than it has now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(gigabytes * 1e9),) * 2)
