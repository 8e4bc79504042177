"""Ranks of one thread each against one process with as many threads: AlexNet's speed, and each rank's memory.

    mpirun -n 2 --bind-to none python tools/bench_ranks.py [--net alexnet] [--batch 64] [--split batch] [--turns 3]

Both train the same batch, in turns, so that a machine whose speed drifts treats them alike; while rank 0 runs the one process's
iteration, the others wait.  In every turn the one process runs twice: how far its two times are apart says how much of a ratio is
noise.  Processor time counts a rank's courier too, and no wait.  The batch is always the same one.

Targets: speed at least 0.92 (groups), 0.88 (hybrid), 0.75 (batch) of one process's; memory within 5 % of what placement says.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from types import SimpleNamespace

import numpy as np

import netdef
import runtime
from netdef.schema import message_class
from runtime.data import open_source
from runtime.machine.executable import Executable
from runtime.machine.ranks.bucket import bandwidth_of
from runtime.machine.ranks.mpi import join
from runtime.machine.ranks.ranks import READ, Ranks
from runtime.solver.update import updates

SPEED = {"groups": 0.92, "hybrid": 0.88, "batch": 0.75}
MEMORY = 0.05
SEED = 1
LARGE, ROUNDS = 2**24, 10  # bytes of a large message, and how often it goes there and back


def executable(net: netdef.Net, threads: int, split: str, ranks: Ranks | None) -> Executable:
    """A compiled training net that is fed one batch again and again."""
    update = updates(message_class("SolverParameter")(momentum=0.9, weight_decay=0.0005))
    exe = runtime.compile(
        net,
        "cpu",
        seed=SEED,
        threads=threads,
        keep="outputs",
        losses_only=True,
        update=update,
        split=split,
        ranks=ranks,
    )
    exe.set_scalar("rate", 1e-4)
    exe.set_scalar("scale", 1.0)
    for name in {source.layer.name for source in exe.program.sources}:
        source = open_source(net.layer(name), SEED)
        batch = source.next()
        still = {"next": lambda batch=batch: batch, "release": lambda batch: None, "close": source.close}
        exe.sources[name] = SimpleNamespace(**still)
    return exe


def iteration(exe: Executable) -> tuple[float, float]:
    """Seconds of one iteration, and of this process's processor time in it."""
    begun, used = time.perf_counter(), time.process_time()
    exe.run_training(update=True)
    return time.perf_counter() - begun, time.process_time() - used


def main() -> int:
    """Measure, print on rank 0, and say whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="alexnet")
    parser.add_argument("--batch", type=int, default=64, help="of all ranks together")
    parser.add_argument("--split", default="batch", choices=list(SPEED))
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    ranks = join()
    if ranks is None:
        parser.error("start it by mpirun -n 2")
    net = netdef.load(options.net, phase="train", batch_size=options.batch)
    several = executable(net, 1, options.split, ranks)
    one = executable(net, ranks.size, options.split, None) if ranks.first else None
    latency, bandwidth = link(ranks)
    turns = []
    for turn in range(options.turns + 1):  # the first compiles kernels
        times = [iteration(one)] if one is not None else []
        ranks.exchange(turn)
        times.append(iteration(several))
        every = ranks.exchange(times[-1])
        times += [iteration(one)] if one is not None else []
        if one is not None and turn:
            turns.append((times, every))
    if one is None:
        ranks.exchange(held(several))
        ranks.close()
        return 0
    alone = [seconds for times, _ in turns for seconds, _ in (times[0], times[2])]
    print(f"{options.net}, batches of {options.batch}, {ranks.text()}, split by {options.split}")
    for label, seconds in (("one process", alone), (f"{ranks.size} ranks", [times[1][0] for times, _ in turns])):
        print(f"{label:12} {options.batch / median(seconds):7.1f} images/s ({1000 * median(seconds):,.0f} ms an iteration)")
    used = median([sum(cpu for _, cpu in every) / ((times[0][1] + times[2][1]) / 2) for times, every in turns])
    ratios = [(times[0][0] + times[2][0]) / 2 / times[1][0] for times, _ in turns]
    noise = [times[0][0] / times[2][0] for times, _ in turns]
    print(f"speed of {ranks.size} ranks: {median(ratios):.3f} of one process ({', '.join(f'{r:.3f}' for r in ratios)})")
    print(f"one process against itself: {', '.join(f'{r:.3f}' for r in noise)}")
    print(f"processor time of the ranks: {used:.3f} of one process's")
    sent = sum(one.sent_bytes for one in several.program.instructions if one.is_send)
    messages = sum(one.is_send for one in several.program.instructions)
    print(f"sent in an iteration: {sent / 2**20:.1f} MiB between all ranks, in {messages} messages")
    print(f"a message takes {1e6 * latency:.0f} us and {bandwidth / 2**20:,.0f} MiB/s; all one after the other would take ", end="")
    print(f"{1000 * (messages * latency + sent / bandwidth):.0f} ms")
    off = [abs(has / said - 1) for has, said in ranks.exchange(held(several))]
    ranks.close()  # which sends what is still to be sent
    print(f"memory of the ranks: at most {max(off):.1%} from what placement says")
    fast, fits = median(ratios) >= SPEED[options.split], max(off) <= MEMORY
    for what, target, met in (("speed", SPEED[options.split], fast), ("memory", MEMORY, fits)):
        print(f"{what} target {target}: {'met' if met else 'missed'}")
    return 0 if fast and fits else 1


def link(ranks: Ranks) -> tuple[float, float]:
    """Seconds that a message of one byte takes between ranks 0 and 1, and bytes a second of a large one."""
    times = {}
    for size in (1, LARGE):
        array = np.zeros(size, np.uint8)
        ranks.exchange(size)
        begun = time.perf_counter()
        if ranks.rank < 2:
            there_and_back(ranks, array)
        times[size] = (time.perf_counter() - begun) / (2 * ROUNDS)
    ranks.exchange("done")
    return times[1], bandwidth_of(LARGE, times[1], times[LARGE])


def there_and_back(ranks: Ranks, array: np.ndarray) -> None:
    """Send an array from rank 0 to rank 1 and back, ROUNDS times; called by both."""
    for _ in range(ROUNDS):
        for sender in (0, 1):
            if ranks.rank == sender:
                ranks.courier.send(array, 1 - sender, READ)
            else:
                ranks.courier.receive(array, sender, READ)


def held(exe: Executable) -> tuple[int, int]:
    """Bytes of this rank's arenas, and what the plan that `netdef placement` prints has for its share."""
    assert exe.program.plan is not None and exe.ranks is not None
    return exe.memory.allocated, sum(exe.program.plan.by_device[exe.ranks.rank].values())


if __name__ == "__main__":
    raise SystemExit(main())
