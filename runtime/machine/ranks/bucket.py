"""The size of the messages in which ranks send gradients, measured so that neither their number nor the last one costs much."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from math import inf, sqrt

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary
from runtime.ir.program import Program
from runtime.machine.ranks.ranks import READ, Ranks
from runtime.machine.ranks.rounding import sends_gradients

LARGE, ROUNDS = 4 << 20, 5  # bytes of a large message, and how often it goes there and back
LEAST, MOST = 64 << 10, 64 << 20  # bytes of a bucket; fewer make more messages than a compiler or a network can take
OF_CARDS = (
    16 << 20
)  # bytes of a bucket sent by NCCL: best_bucket of AlexNet is 5 MB at 100 Gbit/s, 27 MB on NVLink, at 20 us a message
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(K|M|G)?i?B?", re.IGNORECASE)
FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def bucket_size(text: str) -> int:
    """The bytes of a `--bucket`: 4MB, 512KB; a kilobyte has 1024.

    Raises
    ------
    NetdefError: it is no size, or too small a one.
    """
    match = SIZE.fullmatch(text.strip())
    size = float(match[1]) * FACTORS[(match[2] or "").lower()] if match else 0.0
    hint = "--bucket 4MB, say; without it, the size is measured"
    if not 1 <= size < inf:
        raise NetdefError(f"--bucket {text} is no size of a message", hint=hint)
    if size < LEAST:
        least = f"less than {binary(LEAST)}, the smallest message that pays"
        raise NetdefError(f"--bucket {text} is {round(size):,} bytes, {least}", hint=hint)
    return round(size)


def measured_link(ranks: Ranks) -> tuple[float, float]:
    """Seconds of a message of one byte, and bytes a second of a large one; from rank 0 to another node, where there is one."""
    node = ranks.members[0].node
    other = next((rank for rank, member in enumerate(ranks.members) if member.node != node), 1)
    times = []
    for size in (1, LARGE):
        array = np.zeros(size, np.uint8)
        ranks.exchange(size)
        rounds = []
        for _ in range(ROUNDS if ranks.rank in (0, other) else 0):
            begun = time.perf_counter()
            for sender, receiver in ((0, other), (other, 0)):
                if ranks.rank == sender:
                    ranks.courier.send(array, receiver, READ)
                elif ranks.rank == receiver:
                    ranks.courier.receive(array, sender, READ)
            rounds.append((time.perf_counter() - begun) / 2)
        times.append(min(rounds, default=0.0))
    latency, bandwidth = ranks.broadcast((times[0], bandwidth_of(LARGE, *times)))
    return latency, bandwidth


def bandwidth_of(size: int, small: float, large: float) -> float:
    """Bytes a second, by the seconds of a small message and of one of `size` bytes.

    On a busy machine a small message may take about as long as a large one: what is left of that would be nothing but noise.
    """
    return size / max(large - small, large / 2, 1e-9)


def best_bucket(size: float, latency: float, bandwidth: float) -> int:
    """The bytes s of a message for which size / s * latency + s / bandwidth is least: all messages, and the wait for the last."""
    return round(min(max(sqrt(size * latency * bandwidth), LEAST), MOST))


def choose_bucket(ranks: Ranks, gradients: int, cards: bool) -> None:
    """Set the ranks' bucket by how fast messages are, and a line about it; of cards, whose messages go another way, OF_CARDS.

    Parameters
    ----------
    gradients: bytes that one rank sends another in an iteration, at most.  cards: whether these send them, by NCCL.
    """
    if cards:
        ranks.bucket = OF_CARDS
        return
    latency, bandwidth = measured_link(ranks)
    ranks.bucket = best_bucket(gradients, latency, bandwidth)
    ranks.measured = (
        f"a message takes {1e6 * latency:.0f} us and {binary(bandwidth)}/s: "
        f"{binary(gradients)} of gradients from rank to rank go in buckets of {binary(ranks.bucket)} (--bucket)"
    )


def gradients_between(program: Program, ranks: Sequence[int]) -> int:
    """Bytes of gradients of weights that one rank sends another, at most.  ranks: by share, which has it."""
    sizes: Counter[tuple[int, int]] = Counter()
    for one in program.backward:
        if one.is_reduce or sends_gradients(one):
            target = one.constants["root"] if one.is_reduce else one.outputs[0].device
            sizes[ranks[one.device], ranks[target]] += one.sent_bytes
    return max((size for (source, target), size in sizes.items() if source != target), default=0)
