"""The device of another rank, as this rank knows it: what is sent to it and what comes from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from runtime.compiler.passes.narrow import Forms
from runtime.ir.program import Buffer, Instruction, Program
from runtime.machine.cpu.queue import HostQueue, Peers
from runtime.machine.device import BoundInstruction
from runtime.machine.ranks.ranks import READ, Ranks
from runtime.machine.ranks.rounding import Rounding, sends_gradients


class RemoteDevice:
    """A device that another rank drives.  It has no memory here; what would be written there is dropped.

    `queue` runs what comes from it, and `copies` what is sent to it: so neither waits for the messages of a third device.

    Parameters
    ----------
    ranks: this rank among all.  rank: whose it is.  name: of the device there.
    peers: the queues of this rank's own devices.

    Attributes
    ----------
    tags: a number for each pair of devices that messages go between, by the shares of both.
    """

    threads = 0
    forms: Forms | None = None
    kernels_known = True
    one_queue = False  # whether the messages of all ranks are on one queue, in the program's order

    def __init__(self, ranks: Ranks, rank: int, name: str, peers: Peers):
        self.rank, self.name = rank, f"rank {rank} {name}"
        self.pool = self.name
        self.tags: Sequence[Sequence[int]] = ()
        self._ranks, self._peers = ranks, peers
        self._queues: dict[str, HostQueue] = {}

    @property
    def queue(self) -> HostQueue:
        return self._queue("from")

    @property
    def copies(self) -> HostQueue:
        return self._queue("to")

    def _queue(self, name: str) -> HostQueue:
        if name not in self._queues:
            self._queues[name] = self._peers.queue(self.name, name)
        return self._queues[name]

    def bind(self, instruction: Instruction, arrays: Callable[[Buffer], Any]) -> BoundInstruction:
        """The sending, or the receiving, of a `send` between this rank and the device's; this rank's side of a sum over ranks."""
        if instruction.is_reduce:
            return self._adding_up([arrays(buffer).reshape(-1) for buffer in instruction.inputs], instruction.constants["root"])
        source, target = instruction.inputs[0], instruction.outputs[0]
        courier, tag = self._ranks.courier, READ + 1 + self.tags[source.device][target.device]
        is_sent = arrays(target) is None
        mine = [arrays(buffer).reshape(-1) for buffer in (instruction.inputs if is_sent else instruction.outputs)]
        whole = mine[0] if len(mine) == 1 else np.empty(sum(one.size for one in mine), mine[0].dtype)
        parts = mine if len(mine) > 1 else []
        message: Callable[[], None]
        rounding = self._ranks.rounding
        if rounding is not None and sends_gradients(instruction):
            if is_sent:
                message = lambda: courier.send(rounding.rounded(whole).view(np.uint8), self.rank, tag)  # noqa: E731
            else:
                message = self._widening(rounding, whole, tag)
        elif is_sent:
            message = lambda: courier.send(whole.view(np.uint8), self.rank, tag)  # noqa: E731
        else:
            message = lambda: courier.receive(whole.view(np.uint8), self.rank, tag)  # noqa: E731
        return _in_parts(message, whole, parts, is_sent) if parts else message

    def _adding_up(self, mine: Sequence[np.ndarray], root: int) -> BoundInstruction:
        """This rank's side of a sum over all ranks, which have a share each."""
        courier, gets_it = self._ranks.courier, root == self._ranks.rank
        if len(mine) == 1:
            return lambda: courier.add_up(mine[0], root)
        whole = np.empty(sum(one.size for one in mine), np.float32)
        rooms = _rooms(whole, mine)

        def add_up() -> None:
            for room, one in zip(rooms, mine, strict=True):
                room[...] = one
            courier.add_up(whole, root)
            for room, one in zip(rooms, mine, strict=True) if gets_it else ():
                one[...] = room

        return add_up

    def _widening(self, rounding: Rounding, target: np.ndarray, tag: int) -> BoundInstruction:
        """The receiving of gradients that were rounded."""
        halves = np.empty(target.size, np.uint16)

        def receive() -> None:
            self._ranks.courier.receive(halves.view(np.uint8), self.rank, tag)
            target[:] = rounding.widen(halves)

        return receive

    def allocate(self, size: int) -> None:
        """Nothing: the other rank does."""

    def memory(self) -> None:
        """Known to the other rank."""

    def workspace_bytes(self, programs: Sequence[Program], shares: Collection[int]) -> int:
        """Nothing here."""
        return 0

    def array(self, memory: None, offset: int, shape: tuple[int, ...], dtype: str) -> None:
        """No array is here."""

    def write(self, array: None, values: np.ndarray) -> None:
        """Nothing: the other rank writes the same."""

    upload = write

    def host_array(self, shape: tuple[int, ...], dtype: str) -> None:
        """None: nothing is uploaded."""

    def read(self, array: None) -> np.ndarray:
        """Raises RuntimeError: it is the memory that asks the other rank."""
        raise RuntimeError(f"{self.name} is read by its own rank")

    def prepare(self) -> None:
        """Its own rank compiles its kernels."""

    def forget(self, bound: Collection[BoundInstruction]) -> None:
        """Nothing is kept."""

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Run messages in order."""
        for instruction in bound:
            instruction()

    def times(self, bound: Sequence[BoundInstruction]) -> list[float]:
        """Nothing of it is timed here."""
        return [0.0] * len(bound)

    def synchronize(self) -> None:
        """Nothing is left running."""

    def settle(self) -> None:
        """Wait for the queues of this rank."""
        self._peers.settle()

    def close(self) -> None:
        """End the queues' threads."""
        for queue in self._queues.values():
            queue.close()


def _in_parts(message: BoundInstruction, whole: np.ndarray, parts: Sequence[np.ndarray], is_sent: bool) -> BoundInstruction:
    """A message whose bytes come from several arrays, or go to them, by way of one for all."""
    rooms = _rooms(whole, parts)

    def send() -> None:
        for room, part in zip(rooms, parts, strict=True):
            room[...] = part
        message()

    def receive() -> None:
        message()
        for room, part in zip(rooms, parts, strict=True):
            part[...] = room

    return send if is_sent else receive


def _rooms(whole: np.ndarray, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Where each of some arrays lies in one for all."""
    ends = [0, *accumulate(part.size for part in parts)]
    return [whole[begin:end] for begin, end in pairwise(ends)]
