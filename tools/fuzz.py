"""Every reader on changed inputs: each must end with a result or a NetdefError, within 10 seconds and 1 GB.

    python tools/fuzz.py [--minutes 1 | --inputs N] [--seed 1] [--readers caffemodel,onnx] [--keep FOLDER] [--counts FILE] [--list]

Inputs are changed with regard to their structure: fields of protobuf messages, values in JSON, words in lines. An input that
reaches a line of netdef or runtime that none of its reader reached before is kept, and changed further. The readers take turns;
each turn is a fork of the process, so that a library that ends the process is a finding too. Prints inputs, refusals, the slowest
and findings of each reader; ends with 1 if there is a finding, whose input is kept in a file. The same seed gives the same inputs.
Seconds are those of the processor. tools/fuzz_atheris.py does the same with the coverage and the changes of libFuzzer.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import fuzz_worker
from fuzz_coverage import Coverage
from fuzz_language import line_of
from fuzz_readers import READERS, seeds_of

from netdef.language import NetdefError

TURN, SECONDS = 5000, 1.0  # inputs of a reader, one after another, and the seconds of the processor that they take at most


@dataclass
class Tally:
    """What became of a reader's inputs.  first: the number of the first one of this run."""

    first: int = 0
    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0
    kept: list[tuple[str, bytes]] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)


class Fuzzer:
    """Changes inputs, and reads them."""

    def __init__(self, names: list[str], seed: int, keep: Path, limits: fuzz_worker.Limits, counts: Path | None = None):
        self.seed, self.keep, self.limits, self.counts = seed, keep, limits, counts
        self.counted = read_counts(counts)
        self.tallies = {name: Tally(self.counted.get(name, 0)) for name in names}
        self.findings = dict[str, Path]()
        for name, file, data in seeds_of(names):
            self.tallies[name].kept.append((file, data))
        self.names = [name for name in names if self.tallies[name].kept]

    def begin(self, folder: Path) -> None:
        """Read what inputs are made from: loads all modules before memory and time are limited."""
        for name in self.names:
            tally = self.tallies[name]
            batch = self._batch(name, 0, math.inf)
            for file, data in tally.kept[:2]:
                path = folder / fuzz_worker.NAMED.get(name, file)
                path.write_bytes(data)
                with contextlib.suppress(NetdefError):
                    READERS[name].read(path, fuzz_worker.draw_of(batch, 0))
                path.unlink(missing_ok=True)

    def turn(self, name: str, count: int, folder: Path, until: float = math.inf) -> None:
        """Read inputs of one reader."""
        tally, batch = self.tallies[name], self._batch(name, count, until)
        fuzz_worker.run(batch, folder)
        tally.inputs += batch.begun
        tally.refused += batch.refused
        tally.slowest = max(tally.slowest, batch.slowest)
        tally.kept += batch.new[: max(0, fuzz_worker.MOST_KEPT - len(tally.kept))]
        if self.counts is not None:
            self.counted[name] = tally.first + tally.inputs
            self.counts.write_text(json.dumps(self.counted, indent=1) + "\n")
        for report, file, data in batch.findings:
            if (line := f"{name}: {line_of(report)}") not in self.findings:
                self.keep.mkdir(exist_ok=True, parents=True)
                self.findings[line] = kept = self.keep / f"{len(self.findings)}-{name}-{file}"
                kept.write_bytes(data)
                print(f"{line}\n  input kept as {kept}\n{report}", file=sys.stderr, flush=True)

    def many(self, total: int, folder: Path) -> None:
        """Read so many inputs of all readers together, as many of each."""
        left = {name: total // len(self.names) + (at < total % len(self.names)) for at, name in enumerate(self.names)}
        while any(left.values()):
            for name in self.names:
                before, count = self.tallies[name].inputs, min(TURN, left[name])
                if count:
                    self.turn(name, count, folder)
                left[name] -= self.tallies[name].inputs - before

    def until(self, end: float, folder: Path) -> None:
        """Read inputs until a time, as long of each reader."""
        for name in itertools.cycle(self.names):
            if time.monotonic() >= end:
                return
            self.turn(name, TURN, folder, end)

    def _batch(self, name: str, count: int, until: float) -> fuzz_worker.Batch:
        tally = self.tallies[name]
        return fuzz_worker.Batch(
            name, self.seed, tally.first + tally.inputs, count, SECONDS, until, self.limits, tally.kept, tally.coverage
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--inputs", type=int, metavar="N", help="end after N inputs, instead of after a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", default=",".join(READERS))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="the folder for inputs to look at")
    parser.add_argument("--counts", type=Path, metavar="FILE", help="go on after the inputs that FILE counts, and add to it")
    parser.add_argument("--limit", type=float, default=10, help="seconds that an input may take")
    parser.add_argument("--memory", type=float, default=1, help="GB that reading one may take in addition")
    parser.add_argument("--list", action="store_true", help="list the readers")
    given = parser.parse_args()
    if given.list:
        print("\n".join(READERS))
        return 0
    names = given.readers.split(",")
    if given.inputs is not None and given.inputs < 1:
        parser.error("--inputs is at least 1")
    if unknown := [name for name in names if name not in READERS]:
        parser.error(f"no reader is called {' or '.join(unknown)}; there are {', '.join(READERS)}")
    warnings.simplefilter("ignore")
    fuzzer = Fuzzer(names, given.seed, given.keep, fuzz_worker.Limits(given.limit, given.memory), given.counts)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        fuzzer.begin(Path(folder))
        if given.inputs is None:
            fuzzer.until(time.monotonic() + 60 * given.minutes, Path(folder))
        else:
            fuzzer.many(given.inputs, Path(folder))
    return report(fuzzer, given.seed)


def read_counts(path: Path | None) -> dict[str, int]:
    """How many inputs earlier runs have read, by reader."""
    if path is None or not path.exists():
        return {}
    try:
        return {str(name): int(count) for name, count in json.loads(path.read_text()).items()}
    except (ValueError, AttributeError, TypeError):
        raise SystemExit(f"{path} holds no counts of fuzz.py: give another file") from None


def report(fuzzer: Fuzzer, seed: int) -> int:
    """Print what became of the inputs; 1 if there is a finding."""
    for name, tally in fuzzer.tallies.items():
        count = f"{tally.inputs:,} inputs, {tally.refused:,} refused, slowest {tally.slowest:.2f} s"
        print(f"{name:14} {count}, {len(tally.kept)} kept to go on from, {len(tally.coverage.lines):,} lines reached")
    total = sum(tally.inputs for tally in fuzzer.tallies.values())
    lines = len(set().union(*(tally.coverage.lines for tally in fuzzer.tallies.values())))
    print(f"seed {seed}: {total:,} inputs, {lines:,} lines reached, {len(fuzzer.findings)} findings")
    return int(bool(fuzzer.findings))


if __name__ == "__main__":
    sys.exit(main())
