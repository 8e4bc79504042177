"""AlexNet beside PyTorch, ONNX Runtime and OpenCV: the same network, batch and threads, in turns, in one run.

Every measurement is a process of its own (peer_runs.py); the programs take turns, so that a machine whose speed drifts treats
them alike.  Prints images/s, the ratio to netdef turn by turn, the share of this machine's GEMM rate, and peak memory.  Each BLAS
picks its kernels itself: variables such as OPENBLAS_CORETYPE, which hold one library back and not the others, are not passed on.

    python tools/bench_peers.py            (needs the `bench` extra: torch, onnxruntime, onnx, opencv-python-headless)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from peer_runs import RUNS

FORWARD_FLOP = 2 * 724_406_816  # a multiply-accumulate counts as two; see `netdef shapes alexnet`
# Backward computes the gradients of weights and of inputs; the first convolution's input needs none.
TRAIN_FLOP = 3 * FORWARD_FLOP - 2 * 105_415_200


def measure(run: str, batch: int, threads: int, iterations: int) -> dict[str, object]:
    """One process; its report."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, str(Path(__file__).with_name("peer_runs.py")), run]
    options = ["--batch", str(batch), "--threads", str(threads), "--iterations", str(iterations)]
    path = os.pathsep.join([str(Path(__file__).resolve().parent.parent), environment.get("PYTHONPATH", "")])
    done = subprocess.run(command + options, env={**environment, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{run} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5, help="timed iterations of each process")
    parser.add_argument("--only", choices=["train", "forward"], help="default: both")
    arguments = parser.parse_args()
    runs = [run for run in RUNS if arguments.only is None or run.endswith(arguments.only)]
    reports: dict[str, list[dict]] = {run: [] for run in runs}
    for turn in range(arguments.turns):
        for run in runs:
            print(f"turn {turn + 1}/{arguments.turns}: {run} ...", file=sys.stderr)
            report = measure(run, arguments.batch, arguments.threads, arguments.iterations)
            reports[run].append(report)
    gemm = median(report["gemm"] for run in runs for report in reports[run] if "gemm" in report)
    print(f"AlexNet, batch {arguments.batch}, {arguments.threads} threads; GEMM {gemm / 1e9:.0f} GFLOP/s")
    print(f"{'':22}{'images/s':>10}{'of GEMM':>9}{'peak MiB':>10}   netdef is faster by (each turn)")
    for run in runs:
        program, job = run.split()
        rates = [arguments.batch / median(report["seconds"]) for report in reports[run]]
        ours = [arguments.batch / median(report["seconds"]) for report in reports[f"netdef {job}"]]
        share = median(rates) * (TRAIN_FLOP if job == "train" else FORWARD_FLOP) / gemm
        peak = max(report["peak_bytes"] for report in reports[run]) / 2**20
        ratios = [own / rate for own, rate in zip(ours, rates, strict=True)]
        beside = "" if program == "netdef" else f"{median(ratios):.2f}x  ({', '.join(f'{r:.2f}' for r in ratios)})"
        print(f"{run:22}{median(rates):10.1f}{share:9.0%}{peak:10.0f}   {beside}")


if __name__ == "__main__":
    main()
