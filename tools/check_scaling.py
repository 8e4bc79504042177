"""What `netdef placement --ranks N --card cpu` computes, next to what N ranks of one thread each take on this machine.

    mpirun -n 2 --bind-to none python tools/check_scaling.py [--net alexnet] [--batch 64] [--turns 3]

Rank 0 measures the core (a large copy, a large product) and the link (a message of one byte, a large one) while the others wait;
then all ranks at once measure the kernels, as `placement` does: with as many images as a rank has of the batch, and with all of it.
From those the model computes the time of an iteration by each split, and the ranks train it.
By the clock, with a core for each rank on a machine that does nothing else; `--processor` compares the processor time of the
busiest rank, its courier's too, which other programs change less.  Target: the computed time is within 25 % of the measured one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from bench_ranks import LARGE, ROUNDS, executable, iteration, link, there_and_back

import netdef
from netdef.cli.cluster import Cluster, estimates
from netdef.cli.cluster_text import factors, measured_core, seconds_of
from netdef.cli.core_kernels import Kernels, images_measured, measured_kernels, seconds_by
from runtime.compiler.placement.choice import SPLITS
from runtime.machine.limits import Limits
from runtime.machine.links import shared_memory
from runtime.machine.ranks.bucket import bandwidth_of
from runtime.machine.ranks.mpi import join
from runtime.machine.ranks.ranks import Ranks

WITHIN = 0.25


class ByProcessor:
    """A CPU device whose instructions are timed by this process's processor time."""

    def __init__(self, device: Any):
        self._device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def times(self, bound: Sequence[Callable[[], None]]) -> list[float]:
        """Processor seconds of each."""
        return [processor_seconds(partial(self._device.run, [one])) for one in bound]


def processor_seconds(work: Callable[[], Any]) -> float:
    """Processor time of this process for some work."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def work_of_link(ranks: Ranks) -> tuple[float, float]:
    """As `link`, in processor time of both ends: seconds of a message of one byte, and bytes a second of a large one."""
    used = {}
    for size in (1, LARGE):
        array = np.zeros(size, np.uint8)
        ranks.exchange(size)
        here = processor_seconds(partial(there_and_back, ranks, array)) if ranks.rank < 2 else 0.0
        used[size] = sum(ranks.exchange(here)) / (2 * ROUNDS)
    return used[1], bandwidth_of(LARGE, used[1], used[LARGE])


def seconds(net: netdef.Net, split: str, ranks: Ranks, turns: int, processor: bool) -> float:
    """Seconds of an iteration on the rank that takes longest; the median of some turns."""
    with executable(net, 1, split, ranks) as exe:
        times = [max(used if processor else taken for taken, used in ranks.exchange(iteration(exe))) for _ in range(turns + 1)]
    return median(times[1:])  # the first compiles kernels


def main() -> int:
    """Compute, measure, print on rank 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="alexnet")
    parser.add_argument("--batch", type=int, default=64, help="of all ranks together")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--processor", action="store_true", help="compare processor time")
    options = parser.parse_args()
    ranks = join()
    if ranks is None:
        parser.error("start it by mpirun -n 2")
    net = netdef.load(options.net, phase="train", batch_size=options.batch)
    core = (measured_core(ByProcessor) if options.processor else measured_core()) if ranks.first else None
    latency, bandwidth = (work_of_link if options.processor else link)(ranks)  # the others wait there until rank 0 has measured
    core = Limits(*ranks.broadcast(None if core is None else astuple(core)))
    each = seconds_of(core, "fp32", True)
    clock = ByProcessor if options.processor else lambda device: device
    kernels = []
    for images in images_measured(options.batch, ranks.size, options.batch):
        found = measured_kernels(net, images, each, clock)
        kernels.append(Kernels(*max(ranks.exchange((found.images, found.factor, found.each)), key=lambda one: one[1])))
    taken = {split: seconds(net, split, ranks, options.turns, options.processor) for split in SPLITS}
    ranks.close()
    if ranks.rank:
        return 0
    way = replace(shared_memory(core), bandwidth=bandwidth, latency=latency)
    print(f"a core: {core.bandwidth / 1e9:.1f} GB/s, {core.fp32 / 1e9:.0f} GFLOP/s; ", end="")
    print(f"a message: {1e6 * latency:.0f} us, {bandwidth / 1e9:.2f} GB/s")
    print(f"kernels: {factors(kernels)}")
    each, met = seconds_by(kernels, each), True
    for split, measured in taken.items():
        made = estimates(net, split, [ranks.size], lambda cards: Cluster(cards, 1, each, way, way), each)[ranks.size]
        assert made is not None
        met = met and abs(made.seconds / measured - 1) <= WITHIN
        print(f"{split:7} measured {1e3 * measured:,.0f} ms; computed {1e3 * made.seconds:,.0f} ms: {made.seconds / measured:.2f}")
    print(f"within {WITHIN:.0%}: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
