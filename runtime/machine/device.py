"""What a device is: the one class that knows its hardware.

Arrays are the device's own kind (NumPy on the CPU, CuPy on a GPU); only the device touches them.  What is run on a device runs in
order, and may still be running when `run` returns.

A program on several devices is put on their queues instead (runtime/machine/schedule.py): each device has one for its kernels and
one for what it sends to its peers.  A queue runs its instructions in order; queues know of each other only by events.  The one
instruction that touches two devices is `send`: its input is a buffer of this device, its output one of a peer, of the same size,
both runs of memory without gaps; it is bound by the device of its input and put on that device's queue `copies`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.compiler.passes.narrow import Forms
from runtime.ir.program import Buffer, Instruction, Program

BoundInstruction = Callable[[], None]  # an instruction bound to its kernels and arrays; calling it launches them
Wait = Callable[[], None]  # called from any thread, returns when a copy is done


@dataclass(frozen=True, eq=False)
class Keeping:
    """A bound instruction whose device keeps what it makes of parameters: a call makes that anew, `again` takes what was kept."""

    run: BoundInstruction
    again: BoundInstruction

    def __call__(self) -> None:
        self.run()


def repeated(bound: BoundInstruction) -> BoundInstruction:
    """What runs a bound instruction again while no parameter has changed."""
    return bound.again if isinstance(bound, Keeping) else bound


BLOCKING = "CUDA_LAUNCH_BLOCKING"  # CUDA's own switch: launches wait for their kernels
NAMED_EXACTLY = f"{BLOCKING}=1 in the environment names it"


def waits_for_each() -> bool:
    """Whether cards are waited for after each instruction, so that one that fails is known."""
    return os.environ.get(BLOCKING) == "1"


class LaunchError(Exception):
    """An instruction failed on a device; its cause is what was raised there.

    late: whether it may have been an earlier one, as cards report some errors late.
    """

    def __init__(self, device: str, bound: BoundInstruction, late: bool = False):
        super().__init__(f"an instruction failed on {device}")
        self.device, self.bound, self.late = device, bound, late

    def named(self, instruction: Instruction | None) -> NetdefError:
        """The error for users: where it was, in which kernel and layer, and what was raised."""
        where = self.device if instruction is None else location(self.device, instruction)
        cause = self.__cause__
        if isinstance(cause, NetdefError) and cause.diagnostics[0].position is not None:  # it says where it was
            return NetdefError(cause.diagnostics)
        if isinstance(cause, NetdefError):
            return NetdefError(f"{where}: {cause.diagnostics[0].message}", hint=cause.diagnostics[0].hint)
        if isinstance(cause, MemoryError):
            return NetdefError(f"{where}: out of memory", hint="a smaller batch_size needs less")
        late = f"a card reports some errors late: it may have been an instruction before this one; {NAMED_EXACTLY}"
        return NetdefError(f"{where} failed: {type(cause).__name__}: {cause}", hint=late if self.late else "")


def location(device: str, instruction: Instruction) -> str:
    """Where something happened, as messages name it: "cpu:0, conv2d of layer conv1"."""
    return f"{device}, {described(instruction)}"


def described(instruction: Instruction) -> str:
    """An instruction as messages name it: "conv2d of layer conv1"."""
    return f"{instruction.kernel} of layer {instruction.layer}"


def run_in_order(device: str, bound: Sequence[BoundInstruction], after_each: Callable[[], None] | None = None) -> None:
    """Call bound instructions in order.  after_each: called behind each of them, and what it raises counts as that one's failure.

    Raises
    ------
    LaunchError: one failed.
    """
    for instruction in bound:
        try:
            instruction()
            if after_each is not None:
                after_each()
        except Exception as error:
            late = device.startswith("gpu") and after_each is None
            raise LaunchError(device, instruction, late) from error


class Queue(Protocol):
    """Bound instructions run in order, concurrently with those of other queues."""

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put bound instructions on the queue."""

    def record(self) -> Any:
        """An event that happens when all that was put on this queue before is done."""

    def wait(self, event: Any) -> None:
        """Hold back what is put on this queue from now on until an event, of any queue of any peer, has happened."""


HOST = "this machine"  # the pool of devices that take the machine's own memory


class Device(Protocol):
    """Memory and queues.

    Attributes
    ----------
    name: as `--devices` has it, "cpu:0" or "gpu:1".
    pool: whose memory it takes; devices of one pool take from the same.
    threads: host threads that compute for it; 0 where the hardware has its own.
    forms: which buffers of an instruction it takes as bfloat16; None: it keeps all as float32.
    queue: for kernels.  copies: for `send`.  Both of use to programs on several devices only.
    """

    name: str
    pool: str
    threads: int
    forms: Forms | None

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
        """Bytes that can be allocated, and bytes in all; None if that is unknown."""

    def workspace_bytes(self, programs: Sequence[Program], shares: Collection[int]) -> int:
        """Bytes that running these shares of programs takes beyond their arenas, one program after the other.

        Raises
        ------
        NetdefError: the device may use less than that.
        """

    def array(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: str) -> Any:
        """The array at a byte offset of `memory`."""

    def bind(self, instruction: Instruction, arrays: Callable[[Buffer], Any]) -> BoundInstruction:
        """Make an instruction ready to run: its kernel, arrays and constants looked up once."""

    def prepare(self) -> None:
        """Compile the kernels of what was bound since, where that takes less time than compiling each when it first runs."""

    def forget(self, bound: Collection[BoundInstruction]) -> None:
        """Drop what is kept for bound instructions, of this device or another, that will not run again; the queues are empty."""

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put bound instructions on the queue, in order.

        Raises
        ------
        LaunchError: one failed.
        """

    def times(self, bound: Sequence[BoundInstruction]) -> list[float]:
        """Seconds that each of these takes, run one after the other; by the device's own clock if it has one.

        Raises
        ------
        LaunchError: one failed.
        """

    def synchronize(self) -> None:
        """Wait until the queues are empty; raise what went wrong in them."""

    def settle(self) -> None:
        """Wait for a list on the queues of this device and its peers, where the host's own threads do the work.

        Where the hardware does, there is nothing to wait for.

        Raises
        ------
        LaunchError: an instruction failed, here or on a peer; what was behind it on any queue has not been done.
        """

    def write(self, array: Any, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does.  After all that was run before."""

    def upload(self, array: Any, values: np.ndarray) -> Wait | None:
        """`write`, for data that are written for every run: may be copied while earlier runs are still at work.

        Returns
        -------
        None where `values` are free at once; of a `host_array`, what waits until they are.
        """

    def host_array(self, shape: tuple[int, ...], dtype: str) -> np.ndarray | None:
        """A new array of the host's that `upload` copies without the host; None where any array is as good."""

    def read(self, array: Any) -> np.ndarray:
        """A copy for the host.  After all that was run before."""

    def close(self) -> None:
        """Give back threads, streams and memory."""
