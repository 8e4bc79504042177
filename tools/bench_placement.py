"""Two CPU devices with half of the threads each beside one device with all of them: AlexNet's speed and memory.

Both train the same batch in one process, taking turns, so that a machine whose speed drifts treats them alike; in every turn the
one device runs twice, and how far its two times are apart says how much of a ratio is noise.  The batch is always the same, so
that only devices are measured, not the decoding of images.

    python tools/bench_placement.py [--net alexnet] [--batch 32] [--split groups] [--turns 15]

Targets: speed at least 0.95 of one device's, parameters and activations at most 55 % of one device's on each.
"""

from __future__ import annotations

import argparse
import time
from statistics import median, quantiles
from types import SimpleNamespace

import netdef
import runtime
from netdef.schema import message_class
from runtime.data import open_source
from runtime.machine.cpu.cores import available_cores
from runtime.machine.executable import Executable
from runtime.solver.update import updates

SPEED, MEMORY = 0.95, 0.55
SEED = 1


def executable(net: netdef.Net, devices: str, threads: int, split: str) -> Executable:
    """A compiled training net that is fed one batch again and again."""
    update = updates(message_class("SolverParameter")(momentum=0.9, weight_decay=0.0005))
    exe = runtime.compile(net, devices, seed=SEED, threads=threads, keep="outputs", losses_only=True, update=update, split=split)
    exe.set_scalar("rate", 1e-4)
    exe.set_scalar("scale", 1.0)
    for name in {source.layer.name for source in exe.program.sources}:
        source = open_source(net.layer(name), SEED)
        batch = source.next()
        still = {"next": lambda batch=batch: batch, "release": lambda batch: None, "close": source.close}
        exe.sources[name] = SimpleNamespace(**still)
    return exe


def iteration(exe: Executable) -> float:
    """Seconds of one iteration."""
    begun = time.perf_counter()
    exe.run_training(update=True)
    return time.perf_counter() - begun


def main() -> int:
    """Measure, print, and say whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="alexnet")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--split", default="groups")
    parser.add_argument("--threads", type=int, default=available_cores(), help="of both devices together, and of the one")
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    net = netdef.load(options.net, phase="train", batch_size=options.batch)
    one = executable(net, "cpu", options.threads, options.split)
    two = executable(net, "cpu:0,cpu:1", options.threads, options.split)
    for exe in (one, two):
        iteration(exe)
    times: list[tuple[float, float, float]] = []
    for turn in range(options.turns):
        first, both, again = iteration(one), iteration(two), iteration(one)
        times.append((first, both, again) if turn % 2 else (again, both, first))
    ratios = [(first + again) / 2 / both for first, both, again in times]
    noise = [first / again for first, _, again in times]
    print(f"{options.net}, batches of {options.batch}, {options.threads} threads in all, split by {options.split}")
    for label, seconds in (("one device", [t for a, _, b in times for t in (a, b)]), ("two devices", [t for _, t, _ in times])):
        print(f"{label:12} {options.batch / median(seconds):7.1f} images/s ({1000 * median(seconds):,.0f} ms an iteration)")
    print(f"speed of two: {median(ratios):.3f} of one ({spread(ratios)})")
    print(f"one against itself: {median(noise):.3f} ({spread(noise)})")
    shares = memory_shares(one, two)
    print("parameters and activations: " + ", ".join(f"{share:.1%}" for share in shares) + " of one device's")
    fast, small = median(ratios) >= SPEED, max(shares) <= MEMORY
    print(f"speed target {SPEED}: {'met' if fast else 'missed'}; memory target {MEMORY:.0%}: {'met' if small else 'missed'}")
    for exe in (one, two):
        exe.close()
    return 0 if fast and small else 1


def spread(values: list[float]) -> str:
    """The middle half of some values."""
    low, _, high = quantiles(values, n=4)
    return f"middle half {low:.3f} to {high:.3f}"


def memory_shares(one: Executable, two: Executable) -> list[float]:
    """Parameters and activations of each device, as a share of the one device's."""

    def held(totals: dict[str, int]) -> int:
        return totals["weights"] + totals["activations"]

    assert one.program.plan is not None and two.program.plan is not None
    return [held(dict(part)) / held(dict(one.program.plan.totals)) for part in two.program.plan.by_device]


if __name__ == "__main__":
    raise SystemExit(main())
