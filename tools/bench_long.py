"""Whether memory, threads and files stay as many in a long run, and where many Solvers and Executables are made and dropped.

    python tools/bench_long.py [--iterations 20000] [--times 500] [--threads 2]

Prints at ten points what the process has, and the slope of each over the last half, where all caches are filled: bytes for an
iteration, or for a Solver or an Executable. The first quarter, which fills caches, is left out; ends with 1 where the median of the
second half of the rest is above that of its first half: of threads and files at all, of memory by more than --most bytes.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import netdef
import runtime

NET = """
name: "small"
layer data: ImageData -> data, label { source: "builtin:digits" batch_size: 8 shuffle: true transform_param { scale: 0.0039 } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer drop: Dropout(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""
SOLVER = (
    'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 random_seed: 5 max_iter: 1000000 display: 0 test_iter: 2 test_interval: 500'
)
POINTS = 10
Facts = tuple[int, int, int]  # bytes of memory, threads, open files


def facts() -> Facts:
    """What the process has now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize(), len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def grows(seen: Sequence[Facts], most: float) -> bool:
    """Whether the end has more than the middle: medians of halves without the first quarter, which fills caches."""
    warm = seen[-(-len(seen) // 4) :]
    half = len(warm) // 2
    rise = np.median(warm[half:], 0) - np.median(warm[:half], 0)
    return bool(rise[0] > most or rise[1] > 0 or rise[2] > 0)


def watch(what: str, count: int, work: Callable[[int], None], most: float) -> bool:
    """Do the work for a number of times, with a look at each of POINTS points; whether all stays flat."""
    seen: list[Facts] = []
    each = max(1, count // POINTS)
    print(f"{count:,} {what}:")
    for point in range(POINTS):
        work(each)
        seen.append(facts())
        memory, threads, files = seen[-1]
        print(f"  after {each * (point + 1):>7,}: {memory / 2**20:8.1f} MiB, {threads} threads, {files} files", flush=True)
    half = np.array(seen[POINTS // 2 :], float)
    slopes = np.polyfit(each * np.arange(len(half)), half, 1)[0]
    print(f"  slope of the last half: {slopes[0]:.1f} bytes, {slopes[1]:.2g} threads, {slopes[2]:.2g} files for one")
    return not grows(seen, most)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=500, help="how many Solvers, and how many Executables")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--most", type=float, default=1 << 20, help="bytes that memory may rise by")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "small.net")
        path.write_text(NET)

        def solvers(count: int) -> None:
            for _ in range(count):
                with runtime.Solver(SOLVER, path, "cpu:0", threads=given.threads, out=name) as one:
                    one.step(2)

        def executables(count: int) -> None:
            net = netdef.load(path, phase="train")
            for _ in range(count):
                with runtime.compile(net, "cpu:0", threads=given.threads) as one:
                    one.forward()

        with runtime.Solver(SOLVER, path, "cpu:0", threads=given.threads, out=name) as solver:

            def iterations(count: int) -> None:
                solver.step(count)

            flat = [watch("iterations", given.iterations, iterations, given.most)]
        flat.append(watch("Solvers made, stepped and closed", given.times, solvers, given.most))
        flat.append(watch("Executables made, run and closed", given.times, executables, given.most))
    print("flat" if all(flat) else "it grows")
    return 0 if all(flat) else 1


if __name__ == "__main__":
    sys.exit(main())
