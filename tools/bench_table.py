"""How fast netdef is beside PyTorch and ONNX Runtime: the table of docs/performance.md, of several nets and batches.

Each ratio is the median over turns of the other program's seconds by netdef's; the processes take turns (bench_peers.py).  With one
thread seconds are the processor's, so that other work on the machine counts less; with more they are the clock's.

    python tools/bench_table.py --nets resnet50 squeezenet_v1.1 --batches 1 8 32 --threads 1
"""

from __future__ import annotations

import argparse
import os
import sys
from statistics import median
from typing import Any

from bench_peers import measure, runs_here

PAIRS = {"train": "torch train", "forward": "onnxruntime forward"}  # which program each job is compared with


def compared(net: str, batch: int, arguments: argparse.Namespace, job: str) -> tuple[float, float, float] | None:
    """(netdef's images/s, how many times it is faster, GEMM FLOP/s); None if the other program is not installed."""
    runs = [f"netdef {job}", PAIRS[job]]
    if set(runs) - set(runs_here(job)):
        return None
    clock = ["--clock", "processor" if arguments.threads == 1 else "wall"]
    options = ["--batch", str(batch), "--threads", str(arguments.threads), "--iterations", str(arguments.iterations), *clock]
    reports: list[list[dict[str, Any]]] = []
    for _ in range(arguments.turns):
        reports.append([measure(run, net, options) for run in runs])
    seconds = [[median(report["seconds"]) for report in turn] for turn in reports]
    gemm = median(turn[0]["gemm"] for turn in reports)
    return batch / median(ours for ours, _ in seconds), median(theirs / ours for ours, theirs in seconds), gemm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=["resnet50"], help="names that `netdef models` lists, or files")
    parser.add_argument("--batches", nargs="+", type=int, default=[32])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5, help="timed iterations of each process")
    parser.add_argument("--only", choices=list(PAIRS), help="default: both")
    arguments = parser.parse_args()
    print("| net | batch | threads | job | images/s | times faster than | GEMM, GFLOP/s |")
    print("|---|---|---|---|---|---|---|")
    for net in arguments.nets:
        for batch in arguments.batches:
            for job in [arguments.only] if arguments.only else PAIRS:
                found = compared(net, batch, arguments, job)
                if found is None:
                    print(f"{job}: left out, {PAIRS[job].split()[0]} is not installed", file=sys.stderr)
                    continue
                rate, ratio, gemm = found
                other = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime"}[PAIRS[job].split()[0]]
                row = (net, batch, arguments.threads, job, f"{rate:.1f}", f"{ratio:.2f} {other}", f"{gemm / 1e9:.0f}")
                print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
