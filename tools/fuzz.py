"""Every reader on changed inputs: each must end with a result or a NetdefError, within 10 seconds and 1 GB.

    python tools/fuzz.py [--minutes 1 | --inputs N] [--seed 1] [--readers caffemodel,onnx] [--keep FOLDER] [--list]

Inputs are changed with regard to their structure: fields of protobuf messages, values in JSON, words in lines. An input that
reaches a line of netdef or runtime that none reached before is kept, and changed further. Prints inputs, refusals, lines reached
and findings of each reader; ends with 1 if there is a finding, whose input is kept in a file. The same seed gives the same inputs.
Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz_language import TooSlowError, line_of
from fuzz_readers import READERS, seeds_of

from netdef.language import NetdefError

OURS = tuple(str(Path(__file__).resolve().parents[1] / package) for package in ("netdef", "runtime"))
ENOUGH = 40  # calls of a function without a new line, after which it is not looked at any more
MOST_KEPT = 300  # inputs of a reader that are changed further


class Coverage:
    """The lines of our code that have been reached."""

    def __init__(self) -> None:
        self.lines: set[tuple[CodeType, int]] = set()
        self._idle: Counter[CodeType] = Counter()

    def __enter__(self) -> None:
        sys.settrace(self._called)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if self._idle[code] >= ENOUGH or not code.co_filename.startswith(OURS):
            return None
        self._idle[code] += 1
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and (line := (frame.f_code, frame.f_lineno)) not in self.lines:
            self.lines.add(line)
            self._idle[frame.f_code] = 0
        return self._line


@dataclass
class Tally:
    """What became of a reader's inputs."""

    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0
    kept: list[tuple[str, bytes]] = field(default_factory=list)


class Fuzzer:
    """Changes inputs, and reads them."""

    def __init__(self, names: list[str], seed: int, keep: Path, limit: float):
        self.draw, self.keep, self.limit = random.Random(seed), keep, limit
        self.tallies = {name: Tally() for name in names}
        self.coverage, self.findings = Coverage(), dict[str, Path]()
        for name, file, data in seeds_of(names):
            self.tallies[name].kept.append((file, data))
        self.names = [name for name in names if self.tallies[name].kept]
        self._turns = itertools.cycle(self.names)

    def begin(self, folder: Path) -> None:
        """Read what inputs are made from: loads all modules before memory and time are limited."""
        for name in self.names:
            for file, data in self.tallies[name].kept[:2]:
                path = folder / ("a.netdef.json" if name == "side" else file)
                path.write_bytes(data)
                with contextlib.suppress(NetdefError):
                    READERS[name].read(path, self.draw)
                path.unlink()

    def one(self, folder: Path) -> None:
        """Read one input, of the reader whose turn it is."""
        name = next(self._turns)
        tally, reader = self.tallies[name], READERS[name]
        file, data = self.draw.choice(tally.kept)
        data = reader.mutate(self.draw, data)
        path = folder / ("a.netdef.json" if name == "side" else file)
        path.write_bytes(data)
        known, start = len(self.coverage.lines), time.process_time()
        report = self._read(reader.read, path, tally)
        taken = time.process_time() - start
        tally.inputs, tally.slowest = tally.inputs + 1, max(tally.slowest, taken)
        if len(self.coverage.lines) > known and len(tally.kept) < MOST_KEPT and name != "net":
            tally.kept.append((file, data))
        if report and (line := f"{name}: {line_of(report)}") not in self.findings:
            self.keep.mkdir(exist_ok=True)
            self.findings[line] = kept = self.keep / f"{len(self.findings)}-{name}-{file}"
            kept.write_bytes(data)
            print(f"{line}\n  input kept as {kept}\n{report}", file=sys.stderr, flush=True)
        path.unlink()

    def _read(self, read: Any, path: Path, tally: Tally) -> str:
        """The traceback of what a reader may not raise; "" where it ends well."""

        def ring(_: int, __: FrameType | None) -> None:
            raise TooSlowError

        signal.signal(signal.SIGPROF, ring)
        signal.setitimer(signal.ITIMER_PROF, self.limit)  # of processor time: the machine may have other work
        try:
            with self.coverage:
                read(path, self.draw)
        except NetdefError:
            tally.refused += 1
        except (Exception, TooSlowError):
            return traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--inputs", type=int, metavar="N", help="end after N inputs, instead of after a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", default=",".join(READERS))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="the folder for inputs to look at")
    parser.add_argument("--limit", type=float, default=10, help="seconds that an input may take")
    parser.add_argument("--memory", type=float, default=1, help="GB that reading one may take in addition")
    parser.add_argument("--list", action="store_true", help="list the readers")
    given = parser.parse_args()
    if given.list:
        print("\n".join(READERS))
        return 0
    warnings.simplefilter("ignore")
    fuzzer = Fuzzer(given.readers.split(","), given.seed, given.keep, given.limit)
    with tempfile.TemporaryDirectory() as folder:
        fuzzer.begin(Path(folder))
        limit_memory(given.memory)
        end = time.monotonic() + 60 * given.minutes
        for number in itertools.count():
            if number == given.inputs or (given.inputs is None and time.monotonic() >= end):
                break
            fuzzer.one(Path(folder))
    return report(fuzzer, given.seed)


def limit_memory(gigabytes: float) -> None:
    """Let the process take so much more memory than it has now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(gigabytes * 1e9),) * 2)


def report(fuzzer: Fuzzer, seed: int) -> int:
    """Print what became of the inputs; 1 if there is a finding."""
    for name, tally in fuzzer.tallies.items():
        count = f"{tally.inputs:,} inputs, {tally.refused:,} refused, slowest {tally.slowest:.2f} s"
        print(f"{name:14} {count}, {len(tally.kept)} kept to go on from")
    total = sum(tally.inputs for tally in fuzzer.tallies.values())
    print(f"seed {seed}: {total:,} inputs, {len(fuzzer.coverage.lines):,} lines reached, {len(fuzzer.findings)} findings")
    return int(bool(fuzzer.findings))


if __name__ == "__main__":
    sys.exit(main())
