"""Do images from disk keep up with training?  AlexNet on the photographs and on DummyData, in turns, in one process.

    python tools/bench_input.py [--batch 64] [--data FOLDER]

Prints images/s of both and their ratio, turn by turn; data should cost less than a twentieth.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from alexnet_text import alexnet_fed_by

from netdef.language import read_text
from runtime import Solver

SOLVER = 'base_lr: 1e-5 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 1000000 random_seed: 1'


def rate(solver: Solver, iterations: int) -> float:
    """Images/s of some iterations."""
    start = time.perf_counter()
    for _ in range(iterations):
        solver.iterate()
    return iterations * solver.batch_size / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=6, help="of each turn; more than the ring holds batches")
    parser.add_argument("--data", help="a folder or list of images instead of the photographs")
    arguments = parser.parse_args()
    solver = read_text(SOLVER, "bench", "SolverParameter")
    images = Solver(solver, net="alexnet", batch_size=arguments.batch, data=arguments.data)
    dummy = Solver(solver, net=alexnet_fed_by("DummyData", arguments.batch))
    ratios = []
    for turn in range(arguments.turns + 1):  # the first fills the ring and compiles
        with_images, with_dummy = rate(images, arguments.iterations), rate(dummy, arguments.iterations)
        if turn:
            ratios.append(with_images / with_dummy)
            print(f"turn {turn}: images {with_images:.1f}/s, DummyData {with_dummy:.1f}/s, ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {median(ratios):.3f}")


if __name__ == "__main__":
    main()
