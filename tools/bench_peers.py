"""A net of the zoo beside PyTorch, ONNX Runtime and OpenCV: the same layers, batch and threads, in turns, in one run.

The other programs get the net from netdef's graph (peer_torch.py, peer_onnx.py); before anything is timed, their scores must be
netdef's, on seeded weights and images.  Every measurement is a process of its own (peer_runs.py); the programs take turns, so that
a machine whose speed drifts treats them alike.  Prints images/s, the ratio to netdef turn by turn, the share of this machine's
GEMM rate, and peak memory.  Each BLAS picks its kernels itself: variables such as OPENBLAS_CORETYPE, which hold one library back
and not the others, are not passed on.

    python tools/bench_peers.py --net resnet50 --batch 8       (needs the `bench` extra: torch, onnxruntime, onnx,
                                                                opencv-python-headless; what is missing is left out)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from peer_runs import NEEDS, RUNS


def measure(run: str, net: str, options: list[str]) -> dict[str, Any]:
    """One process; its report."""
    threads = options[options.index("--threads") + 1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    command = [sys.executable, str(Path(__file__).with_name("peer_runs.py")), run, "--net", net, *options]
    path = os.pathsep.join([str(Path(__file__).resolve().parent.parent), environment.get("PYTHONPATH", "")])
    done = subprocess.run(command, env={**environment, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{run} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def runs_here(only: str | None) -> list[str]:
    """The runs whose programs are installed; what is left out is said."""
    wanted = [run for run in RUNS if only is None or run.endswith(only)]
    missing = {run: [name for name in NEEDS[run.split()[0]] if find_spec(name) is None] for run in wanted}
    for run, names in missing.items():
        if names:
            print(f"{run}: left out, {' and '.join(names)} not installed", file=sys.stderr)
    return [run for run in wanted if not missing[run]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="alexnet", help="a net that classifies: a name that `netdef models` lists, or a file")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5, help="timed iterations of each process")
    parser.add_argument("--only", choices=["train", "forward"], help="default: both")
    arguments = parser.parse_args()
    runs = runs_here(arguments.only)
    options = ["--batch", str(arguments.batch), "--threads", str(arguments.threads), "--iterations", str(arguments.iterations)]
    differences = measure("check", arguments.net, options)
    agreement = ", ".join(f"{program} by {difference:.1e}" for program, difference in differences.items())
    print(f"scores differ from netdef's: {agreement or 'no program to compare with'} (of the largest)", file=sys.stderr)
    reports: dict[str, list[dict[str, Any]]] = {run: [] for run in runs}
    for turn in range(arguments.turns):
        for run in runs:
            print(f"turn {turn + 1}/{arguments.turns}: {run} ...", file=sys.stderr)
            reports[run].append(measure(run, arguments.net, options))
    show(arguments, reports)


def show(arguments: argparse.Namespace, reports: dict[str, list[dict[str, Any]]]) -> None:
    """The table of all runs."""
    gemm = median(report["gemm"] for found in reports.values() for report in found if "gemm" in report)
    print(f"{arguments.net}, batch {arguments.batch}, {arguments.threads} threads; GEMM {gemm / 1e9:.0f} GFLOP/s")
    print(f"{'':22}{'images/s':>10}{'of GEMM':>9}{'peak MiB':>10}   netdef is faster by (each turn)")
    for run, found in reports.items():
        program, job = run.split()
        own = reports[f"netdef {job}"]
        rates = [arguments.batch / median(report["seconds"]) for report in found]
        ours = [arguments.batch / median(report["seconds"]) for report in own]
        share = median(rates) * 2 * own[0]["macs"][job] / gemm  # a multiply-accumulate counts as two
        peak = max(report["peak_bytes"] for report in found) / 2**20
        ratios = [mine / rate for mine, rate in zip(ours, rates, strict=True)]
        beside = "" if program == "netdef" else f"{median(ratios):.2f}x  ({', '.join(f'{r:.2f}' for r in ratios)})"
        print(f"{run:22}{median(rates):10.1f}{share:9.0%}{peak:10.0f}   {beside}")


if __name__ == "__main__":
    main()
