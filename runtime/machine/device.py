"""What a device is: the one place that knows its hardware.

Arrays are the device's own kind (NumPy on the CPU, CuPy on a GPU); only the device touches them.  What is run on a device runs in
order, and may still be running when `run` returns.

A program on several devices is put on their queues instead (runtime/machine/schedule.py): each device has one for its kernels and
one for what it sends to its peers.  A queue does its steps in order; queues know of each other only by events.  The one instruction
that touches two devices is `send`: its input is a buffer of this device, its output one of a peer, of the same size, both runs of
memory without gaps; it is bound by the device of its input and put on that device's queue `copies`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np

from runtime.ir.program import Buffer, Instruction, Program

Step = Callable[[], None]  # an instruction bound to its kernel and arrays; calling it puts it on the device's queue


class StepError(Exception):
    """A step failed on a queue; its cause is what was raised there."""

    def __init__(self, device: str, step: Step):
        super().__init__(f"a step failed on {device}")
        self.device, self.step = device, step


class Queue(Protocol):
    """Steps done in order, beside what other queues do."""

    def run(self, steps: Sequence[Step]) -> None:
        """Put steps on the queue."""

    def record(self) -> Any:
        """An event that happens when all that was put on this queue so far is done."""

    def wait(self, event: Any) -> None:
        """Hold back what is put on this queue from now on until an event, of any queue of any peer, has happened."""


class Device(Protocol):
    """Memory and queues.

    Attributes
    ----------
    name: as `--devices` has it, "cpu:0" or "gpu:1".
    threads: host threads that compute for it; 0 where the hardware has its own.
    queue: for kernels.  copies: for `send`.  Both of use to programs on several devices only.
    """

    name: str
    threads: int

    @property
    def kernels_known(self) -> bool:
        """Whether the kernels of all that was bound were compiled on this machine before, so that the first run is quick."""

    @property
    def queue(self) -> Queue: ...

    @property
    def copies(self) -> Queue: ...

    def allocate(self, size: int) -> Any:
        """Zeroed memory of `size` bytes, aligned for the widest load.

        Raises
        ------
        NetdefError: there is not that much.
        """

    def memory(self) -> tuple[int, int] | None:
        """Bytes that can be allocated, and bytes in all; None if nobody can tell."""

    def besides(self, programs: Sequence[Program], shares: Collection[int]) -> int:
        """Bytes that running these shares of programs takes besides their arenas, one program after the other.

        Raises
        ------
        NetdefError: the device was told to do with less than that.
        """

    def array(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: str) -> Any:
        """The array at a byte offset of `memory`."""

    def bind(self, step: Instruction, arrays: Callable[[Buffer], Any]) -> Step:
        """Make an instruction ready to run: its kernel, arrays and constants looked up once."""

    def run(self, steps: Sequence[Step]) -> None:
        """Put bound instructions on the queue, in order.

        Raises
        ------
        StepError: one failed there, or could not be put.
        """

    def times(self, steps: Sequence[Step]) -> list[float]:
        """Seconds that each of these steps takes, run one after the other; by the device's own clock if it has one."""

    def synchronize(self) -> None:
        """Wait until the queues are empty; raise what went wrong in them."""

    def settle(self) -> None:
        """Told when a whole list of a program on several devices is on the queues, each device's joined to the others' by events.

        Where the host's own threads do the work, wait for it; where the hardware does, there is nothing to do.

        Raises
        ------
        StepError: a step failed, here or on a peer; what was behind it on any queue has not been done.
        """

    def write(self, array: Any, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does.  After all that was run before."""

    def upload(self, array: Any, values: np.ndarray) -> None:
        """`write`, for data that come anew for every run: may be copied while what was run before is still at work."""

    def read(self, array: Any) -> np.ndarray:
        """A copy for the host.  After all that was run before."""

    def close(self) -> None:
        """Give back threads, streams and memory."""
