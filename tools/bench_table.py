"""How fast netdef is beside PyTorch and ONNX Runtime: the table of docs/performance.md, of several nets and batches.

Each ratio is the median over turns of the other program's seconds by netdef's; the processes take turns (bench_peers.py).  With one
thread seconds are the processor's, so that other work on the machine counts less; with more they are the clock's.

Behind the ratio: netdef's share of this machine's GEMM rate, a multiply-accumulate counted as two operations however few are done,
and the peak memory of its process, and that as a share of the other's.

    python tools/bench_table.py --nets resnet50 squeezenet_v1.1 --batches 1 8 32 --threads 1
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench_peers import measure, runs_here

PAIRS = {"train": "torch train", "forward": "onnxruntime forward"}  # which program each job is compared with
NAMES = {"torch train": "PyTorch", "torch forward": "PyTorch", "onnxruntime forward": "ONNX Runtime"}
HEAD = (
    *("net", "batch", "threads", "job", "images/s", "times faster than"),
    *("GEMM, GFLOP/s", "of GEMM", "peak MiB", "of the other's"),
)


@dataclass(frozen=True)
class Row:
    """What is found of a net, a batch and a job.

    Attributes
    ----------
    rate: netdef's images/s.  ratio: how many times it is faster.  gemm: FLOP/s of a large product.  share: of that which netdef
        reaches.  peak, peak_share: bytes of netdef's process, and as a share of the other's.
    """

    rate: float
    ratio: float
    gemm: float
    share: float
    peak: float
    peak_share: float


def options_of(batch: int, arguments: argparse.Namespace) -> list[str]:
    """What each process is given."""
    counts = {
        "--batch": batch,
        "--threads": arguments.threads,
        "--iterations": arguments.iterations,
        "--seconds": arguments.seconds,
    }
    clock = "processor" if arguments.threads == 1 else "wall"
    return [text for name, value in counts.items() for text in (name, str(value))] + ["--clock", clock]


def compared(net: str, batch: int, arguments: argparse.Namespace, job: str) -> Row | None:
    """Both programs in turns; None if the other one is not installed."""
    runs = [f"netdef {job}", PAIRS[job]]
    if set(runs) - set(runs_here(job)):
        return None
    options = options_of(batch, arguments)
    reports: list[list[dict[str, Any]]] = []
    for _ in range(arguments.turns):
        reports.append([measure(run, net, options) for run in runs])
    seconds = [[median(report["seconds"]) for report in turn] for turn in reports]
    gemm, rate = median(turn[0]["gemm"] for turn in reports), batch / median(ours for ours, _ in seconds)
    peaks = [max(turn[index]["peak_bytes"] for turn in reports) for index in (0, 1)]
    share = rate * 2 * reports[0][0]["macs"][job] / gemm
    return Row(rate, median(theirs / ours for ours, theirs in seconds), gemm, share, peaks[0], peaks[0] / peaks[1])


def line(row: Sequence[object]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(map(str, row))} |"


def cells(net: str, batch: int, threads: int, job: str, row: Row) -> list[str]:
    """A row as HEAD names it."""
    speed = [f"{row.rate:.1f}", f"{row.ratio:.2f} {NAMES[PAIRS[job]]}", f"{row.gemm / 1e9:.0f}", f"{row.share:.0%}"]
    return [net, str(batch), str(threads), job, *speed, f"{row.peak / 2**20:.0f}", f"{row.peak_share:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=["resnet50"], help="names that `netdef models` lists, or files")
    parser.add_argument("--batches", nargs="+", type=int, default=[32])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5, help="timed iterations of each process")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of timed iterations; there is always one")
    parser.add_argument("--only", choices=list(PAIRS), help="default: both")
    arguments = parser.parse_args()
    print(line(HEAD), line(["---"] * len(HEAD)), sep="\n")
    for net in arguments.nets:
        for batch in arguments.batches:
            for job in [arguments.only] if arguments.only else PAIRS:
                found = compared(net, batch, arguments, job)
                if found is None:
                    print(f"{job}: left out, {NAMES[PAIRS[job]]} is not installed", file=sys.stderr)
                    continue
                print(line(cells(net, batch, arguments.threads, job, found)), flush=True)


if __name__ == "__main__":
    main()
