"""NCCL of the stand-in: ranks are threads of this process, each with a card of its own.

A group is begun where its stream comes to it and ends when all its messages are through; a message goes when both of its sides have
begun.  So what two ranks begin in another order waits for ever, as on cards, which the scheduler reports.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.runtime.machine.cuda.fake_cupy.graphs import CUDARuntimeError

if TYPE_CHECKING:
    from tests.runtime.machine.cuda.fake_cupy import Cards

UINT8, FLOAT32, SUM = 1, 7, 0
SENT, RECEIVED, ADDED = 0, 1, 2


class NcclError(RuntimeError):
    """What NCCL's calls raise."""


@dataclass
class Half:
    """One side of a message."""

    side: int
    address: int
    size: int
    key: tuple[int, int, int]  # the communicators' number, from, to
    device: int
    done: bool = False
    root: int = -1  # of a sum, whose key is the communicators' number, the turn, and how many ranks there are
    rank: int = -1


@dataclass
class Wire:
    """What has begun and waits for its other side, by key and side; groups: how many messages each had."""

    waiting: dict[tuple[tuple[int, int, int], int], deque[Half]] = field(default_factory=lambda: defaultdict(deque))
    groups: list[int] = field(default_factory=list)


def make_nccl(cards: Cards) -> SimpleNamespace:
    """A module that can stand in sys.modules as `cupy.cuda.nccl`."""
    local, wire, scheduler = threading.local(), Wire(), cards.scheduler
    numbers = iter(range(1, 1 << 30))

    def begin(halves: list[Half]) -> None:
        for half in halves:
            if half.side == ADDED:
                add_up(half)
                continue
            other = wire.waiting[half.key, 1 - half.side]
            if not other:
                wire.waiting[half.key, half.side].append(half)
                continue
            match = other.popleft()
            sent, received = (half, match) if half.side == SENT else (match, half)
            half.done = match.done = True
            if sent.size != received.size:
                raise NcclError(f"rank {half.key[1]} sends {sent.size} bytes where rank {half.key[2]} expects {received.size}")
            cards.find(received.address, received.size)[:] = cards.find(sent.address, sent.size)

    def add_up(half: Half) -> None:
        """Once all ranks are here, sum from the last to the first."""
        sides = wire.waiting[half.key, ADDED]
        sides.append(half)
        if len(sides) < half.key[2]:
            return
        if len({(one.root, one.size) for one in sides}) > 1:
            raise NcclError("ranks add up other arrays")
        by_rank = sorted(sides, key=lambda one: -one.rank)
        arrays = [cards.find(one.address, one.size).view(np.float32) for one in by_rank]
        next(one for one, by in zip(arrays, by_rank, strict=True) if by.rank == half.root)[:] = sum(arrays)
        for one in sides:
            one.done = True

    def put(messages: list[tuple[Half, int]]) -> None:
        by_stream: dict[int, list[Half]] = defaultdict(list)
        for half, stream in messages:
            by_stream[stream].append(half)
        for stream, halves in by_stream.items():
            queue = scheduler.queues[stream - 1]
            assert all(half.device == queue.device for half in halves), "a message on a stream of another card"
            with scheduler.lock:
                wire.groups.append(len(halves))
                scheduler.put(queue, lambda halves=halves: begin(halves), "messages")  # type: ignore[misc]
                scheduler.put(queue, lambda: None, "messages of other ranks", halves)  # type: ignore[arg-type]

    def groupStart() -> None:  # noqa: N802
        local.depth = getattr(local, "depth", 0) + 1
        local.messages = getattr(local, "messages", [])

    def groupEnd() -> None:  # noqa: N802
        local.depth -= 1
        if not local.depth:
            messages, local.messages = local.messages, []
            put(messages)

    class NcclCommunicator:
        def __init__(self, ndev: int, commId: Any, rank: int):
            assert 0 <= rank < ndev
            self._number, self._ndev, self._rank, self._device = commId[0], ndev, rank, cards.device
            self._halves: list[Half] = []
            self._sums = 0

        def send(self, sendbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
            self._message(SENT, sendbuf, count, datatype, (self._number, self._rank, peer), stream)

        def recv(self, recvbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
            self._message(RECEIVED, recvbuf, count, datatype, (self._number, peer, self._rank), stream)

        def _message(self, side: int, address: int, count: int, datatype: int, key: tuple[int, int, int], stream: int) -> None:
            if not (0 <= key[1] < self._ndev and 0 <= key[2] < self._ndev and key[1] != key[2]) or datatype != UINT8:
                raise NcclError(f"NCCL_ERROR_INVALID_ARGUMENT: a message from {key[1]} to {key[2]}")
            if count:
                cards.find(address, count)
            self._put(Half(side, address, count, key, self._device), stream)

        def reduce(self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, root: int, stream: int) -> None:
            if not 0 <= root < self._ndev or (datatype, op) != (FLOAT32, SUM) or sendbuf != recvbuf:
                raise NcclError(f"NCCL_ERROR_INVALID_ARGUMENT: a sum for {root}")
            cards.find(sendbuf, 4 * count)
            key, self._sums = (self._number, self._sums, self._ndev), self._sums + 1
            self._put(Half(ADDED, sendbuf, 4 * count, key, self._device, root=root, rank=self._rank), stream)

        def _put(self, half: Half, stream: int) -> None:
            self._halves.append(half)
            if getattr(local, "depth", 0):
                local.messages.append((half, stream))
            else:
                put([(half, stream)])

        def abort(self) -> None:
            with scheduler.lock:
                for half in self._halves:
                    if not half.done:
                        half.done = True
                        scheduler.failures[self._device] = CUDARuntimeError(719, "cudaErrorLaunchFailure: aborted")
                        wire.waiting[half.key, half.side] = deque(
                            one for one in wire.waiting[half.key, half.side] if one is not half
                        )
                scheduler.wake()

        def destroy(self) -> None:
            assert all(half.done for half in self._halves), "messages are under way"

    def get_unique_id() -> tuple[int, ...]:
        return (next(numbers), *[0] * 127)

    return SimpleNamespace(
        NcclCommunicator=NcclCommunicator, NcclError=NcclError, get_unique_id=get_unique_id,
        NCCL_UINT8=UINT8, NCCL_FLOAT32=FLOAT32, NCCL_SUM=SUM,
        groupStart=groupStart, groupEnd=groupEnd, wire=wire,
    )  # fmt: skip
