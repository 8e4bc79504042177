"""How evenly N threads share the work of a net on N cores, simulated on any machine.

One thread runs every kernel in the pieces that N workers take (runtime.machine.cpu.workers.chunks_of), and each piece is timed.
Then the pieces are given in their order to whichever worker is free first.  What a kernel loses is the time that workers wait for
the last one.  Memory that cores share is not simulated.

    python tools/check_workers.py --net alexnet --batch 64 --workers 16

Prints the kernels that lose most, and how much of the workers' time is work; the exit status is 1 if less than 90 % is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from heapq import heapify, heapreplace
from time import thread_time
from typing import Any
from unittest.mock import patch

import netdef
from runtime.machine.compile import compile
from runtime.machine.cpu.workers import Workers, chunks_of
from runtime.selftest.agreement import LISTS, write_noise
from runtime.solver.update import plain_update

LEAST = 0.9  # of the workers' time
Launches = list[list[float]]  # seconds of each piece of each launch


def span(pieces: Sequence[float], workers: int) -> float:
    """How long these workers take for pieces, each taken by the one that is free first."""
    free = [0.0] * workers
    heapify(free)
    for seconds in pieces:
        heapreplace(free, free[0] + seconds)
    return max(free)


def measured(net: netdef.Net, workers: int, rounds: int) -> dict[str, Launches]:
    """The pieces of each instruction's launches, by layer and kernel; of each the shortest of some rounds."""
    found: Launches = []

    def run(self: Workers, work: Callable[[int, int, int], None], items: int) -> None:
        pieces = []
        for begin, end in chunks_of(items, workers):
            begun = thread_time()
            work(0, begin, end)
            pieces.append(thread_time() - begun)
        found.append(pieces)

    shortest: dict[str, Launches] = {}
    training: dict[str, Any] = {"keep": "outputs", "losses_only": True, "update": plain_update(net)}
    with patch.object(Workers, "run", run), compile(net, "cpu", threads=workers, **training) as executable:
        write_noise(executable)
        pairs = [pair for name in LISTS for pair in executable.bound(name)]
        executable.run_bound([bound for _, bound in pairs])  # which compiles
        for _ in range(rounds):
            for number, (instruction, bound) in enumerate(pairs):
                found.clear()
                executable.run_bound([bound])
                name = f"{number} {instruction.layer} {instruction.kernel}"
                before = shortest.get(name, found)
                shortest[name] = [list(map(min, *both)) for both in zip(before, found, strict=True)]
    return shortest


def main() -> int:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="alexnet", help="a name that `netdef models` lists, or a file")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--show", type=int, default=12, help="how many kernels")
    options = parser.parse_args()
    for name in ("batch", "workers", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: give 1 or more")
    try:
        net = netdef.load(options.net, phase="train", batch_size=options.batch)
        found = measured(net, options.workers, options.rounds)
    except netdef.NetdefError as error:
        parser.exit(2, f"{error}\n")
    rows = []
    for name, launches in found.items():
        work, taken = sum(map(sum, launches)), sum(span(pieces, options.workers) for pieces in launches)
        rows.append((options.workers * taken - work, work, max(map(len, launches), default=0), name))
    lost, work = sum(row[0] for row in rows), sum(row[1] for row in rows)
    print(f"{'lost ms':>9}{'work ms':>9}{'pieces':>8}   instruction")
    for loss, seconds, pieces, name in sorted(rows, reverse=True)[: options.show]:
        print(f"{1e3 * loss:9.1f}{1e3 * seconds:9.1f}{pieces:8}   {name}")
    share = work / (work + lost)
    print(f"{options.net}, batch {options.batch}, training, {options.workers} workers: {share:.0%} of their time is work", end="; ")
    print(f"as fast as {options.workers * share:.1f} cores; {'met' if share >= LEAST else 'missed'}: {LEAST:.0%}")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
