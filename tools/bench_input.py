"""Do images from disk keep up with training?  AlexNet on images and on DummyData, an iteration of each in turn, in one process.

    python tools/bench_input.py [--batch 64] [--data SOURCE] [--threads 1]

Each pair of iterations gives a ratio, so that what else the machine does counts for both; the median over pairs is printed, by the
clock and by processor time.  Data should cost less than a thirtieth.  Where all cores compute, decoding takes its time from them:
the bound is DummyData's processor time an image over that and what loading an image takes, which is measured alone.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

from alexnet_text import alexnet_fed_by

from netdef.language import read_text
from runtime import Solver
from runtime.data import open_source

SOLVER = 'base_lr: 1e-5 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 1000000 random_seed: 1'
WARM = 2  # pairs of iterations that compile kernels and fill the ring


def iteration(solver: Solver) -> tuple[float, float]:
    """Seconds of an iteration, by the clock and of the processor in all threads."""
    clock, spent = time.perf_counter(), time.process_time()
    solver.iterate().settle()
    return time.perf_counter() - clock, time.process_time() - spent


def loading(layer: Any, batches: int) -> float:
    """Seconds of the processor that an image takes from its file to a batch, by one thread and alone."""
    with open_source(layer, 1, workers=1) as source:  # type: ignore[attr-defined]
        source.release(source.next())
        begun, first = time.process_time(), source.position()["sample"]
        for _ in range(batches):
            source.release(source.next())
        return (time.process_time() - begun) / (source.position()["sample"] - first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--threads", type=int, help="that compute; those that decode are as many as there are cores")
    parser.add_argument("--data", help="a folder, list or database of images instead of the photographs")
    arguments = parser.parse_args()
    text = read_text(SOLVER, "bench", "SolverParameter")
    images = Solver(text, net="alexnet", batch_size=arguments.batch, data=arguments.data, threads=arguments.threads)
    dummy = Solver(text, net=alexnet_fed_by("DummyData", arguments.batch), threads=arguments.threads)
    pairs = [(iteration(images), iteration(dummy)) for _ in range(WARM + arguments.pairs)][WARM:]
    for number, kind in enumerate(("clock", "processor")):
        ratio = median(other[number] / own[number] for own, other in pairs)
        rates = [arguments.batch / median(pair[which][number] for pair in pairs) for which in (0, 1)]
        print(f"{kind:9}  images {rates[0]:.1f}/s, DummyData {rates[1]:.1f}/s, ratio {ratio:.3f}")
    images.close()
    of_image = loading(images.nets.train.layers[0], 4)
    computing = median(pair[1][1] for pair in pairs) / arguments.batch
    print(f"loading an image takes {1e3 * of_image:.2f} ms of processor time, computing one {1e3 * computing:.1f} ms")
    print(f"bound where all cores compute: {computing / (computing + of_image):.3f}")


if __name__ == "__main__":
    main()
