"""Running a list on several devices: which queue does what, and what it must wait for.

An instruction waits for those before it in the list whose memory it reads, or whose reads or writes it would spoil by what it
writes; its own queue keeps to that order in any case.  Everything else runs concurrently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from runtime.compiler.passes.order import SpanOf, Uses
from runtime.ir.program import Instruction
from runtime.machine.device import BoundInstruction, Device, LaunchError, Queue
from runtime.machine.open import MOST, different, hosts_of
from runtime.machine.ranks.shares import message_host, remote_shares

KERNELS, COPIES = 0, 1  # the queues of a device
EACH_ITS_OWN = range(MOST)  # the device of each share, where none has several
Lane = tuple[int, int]  # a device and one of its queues


@dataclass(frozen=True)
class Waits:
    """What an instruction waits for: numbers of earlier ones on other lanes.  awaited: whether a later one waits for it.

    behind: of messages that are put on one queue in groups, the last earlier one whose memory it uses; -1: none.
    """

    lane: Lane
    after: tuple[int, ...]
    awaited: bool
    behind: int = -1


def lane_of(
    instruction: Instruction, hosts: Sequence[int] = EACH_ITS_OWN, remote: Collection[int] = (), messages: int | None = None
) -> Lane:
    """The queue that an instruction is put on; messages from and to another rank's device each have a queue of that device.

    Sums over ranks are on one queue, in one order on all ranks: that of copies, which a rank of one device has no other use for.

    remote: the shares of other ranks.  messages: the one device whose queue has all messages between ranks, if there is one.
    """
    share = instruction.device
    if instruction.is_reduce:
        return (hosts[share], COPIES) if messages is None else (messages, KERNELS)
    if messages is not None and instruction.is_send and (share in remote or instruction.outputs[0].device in remote):
        return messages, KERNELS
    if instruction.is_send and instruction.outputs[0].device in remote:
        return hosts[instruction.outputs[0].device], COPIES
    return hosts[share], COPIES if instruction.is_send and share not in remote else KERNELS


def find_waits(
    instructions: Sequence[Instruction],
    span_of: SpanOf,
    hosts: Sequence[int] = EACH_ITS_OWN,
    remote: Collection[int] = (),
    messages: int | None = None,
) -> list[Waits]:
    """What each instruction of a list waits for.

    hosts: by the instructions' devices, which of the machine's runs them.  remote, messages: see `lane_of`.
    """
    used = Uses(instructions, span_of)
    lanes = [lane_of(instruction, hosts, remote, messages) for instruction in instructions]
    known: list[dict[Lane, int]] = []  # for each instruction the last one of each lane that is done before it
    progress: dict[Lane, dict[Lane, int]] = {}
    after: list[tuple[int, ...]] = []
    behind: list[int] = []
    for number, instruction in enumerate(instructions):
        earlier = used.conflicts(instruction)
        mine = dict(progress.get(lanes[number], {}))
        waits = []
        for other in sorted(earlier, reverse=True):
            if lanes[other] != lanes[number] and mine.get(lanes[other], -1) < other:
                waits.append(other)
                for lane, last in known[other].items():
                    mine[lane] = max(mine.get(lane, -1), last)
        mine[lanes[number]] = number
        progress[lanes[number]] = mine
        known.append(mine)
        after.append(tuple(sorted(waits)))
        grouped = earlier if lanes[number] == (messages, KERNELS) else ()
        behind.append(max((other for other in grouped if lanes[other] == lanes[number]), default=-1))
        used.note(instruction, number)
    awaited = {other for waits in after for other in waits}
    every = enumerate(zip(lanes, after, behind, strict=True))
    return [Waits(lane, waits, number in awaited, last) for number, (lane, waits, last) in every]


class Schedule:
    """One list bound to several devices.

    Parameters
    ----------
    devices: those of the program, share by share.
    instructions: of the list.  bound: each bound to its device.
    span_of: where a buffer lies.
    """

    def __init__(
        self, devices: Sequence[Device], instructions: Sequence[Instruction], bound: Sequence[BoundInstruction], span_of: SpanOf
    ):
        self._devices = different(devices)
        waits = find_waits(instructions, span_of, hosts_of(devices), remote_shares(devices), message_host(devices))
        self._orders = list(_orders(waits, bound))
        self._lanes = list(dict.fromkeys(order.lane for order in self._orders))

    def run(self) -> None:
        """Put the list on the devices' queues; where it is the host that works, it is done when this returns.

        Raises
        ------
        LaunchError: an instruction failed.  The other queues have stopped.
        """
        try:
            self._put()
        except BaseException:  # none may be left at work on memory that others go on with
            with suppress(LaunchError):
                self._devices[0].settle()
            raise
        self._devices[0].settle()

    def _put(self) -> None:
        events: dict[int, Any] = {}
        for order in self._orders:
            queue = self._queue(order.lane)
            for number in order.after:
                queue.wait(events[number])
            queue.run(order.bound)
            if order.event is not None:
                events[order.event] = queue.record()
        self._join()

    def _queue(self, lane: Lane) -> Queue:
        device = self._devices[lane[0]]
        return device.copies if lane[1] == COPIES else device.queue

    def _join(self) -> None:
        """Let everything after this list come after all of it, on whichever queue."""
        ends = {lane: self._queue(lane).record() for lane in self._lanes}
        for lane in product(range(len(self._devices)), (KERNELS, COPIES)):
            for other, event in ends.items():
                if other != lane:
                    self._queue(lane).wait(event)


@dataclass
class _Order:
    """Instructions that go to one queue together, after some events; event: the number of the last one, if others wait for it.

    first: the number of the first one.
    """

    lane: Lane
    first: int
    after: tuple[int, ...] = ()
    bound: list[BoundInstruction] = field(default_factory=list)
    event: int | None = None


def _orders(waits: Sequence[Waits], bound: Sequence[BoundInstruction]) -> Iterator[_Order]:
    """The instructions in as few orders as their waits allow, each event recorded before it is waited for.

    Messages of one order run at the same time, so none of them uses memory of another.
    """
    open_orders: dict[Lane, _Order] = {}
    for number, (wait, instruction) in enumerate(zip(waits, bound, strict=True)):
        if wait.lane in open_orders and (wait.after or wait.behind >= open_orders[wait.lane].first):
            yield open_orders.pop(wait.lane)
        order = open_orders.setdefault(wait.lane, _Order(wait.lane, number, wait.after))
        order.bound.append(instruction)
        if wait.awaited:
            order.event = number
            yield open_orders.pop(wait.lane)
    yield from open_orders.values()
