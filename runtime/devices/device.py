"""What a device is: the one place that knows its hardware.

Arrays are the device's own kind (NumPy on the CPU, CuPy on a GPU); only the device touches them.  A device has one queue: what is
run on it runs in order, and may still be running when `run` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from runtime.program import Buffer, Instruction

Step = Callable[[], None]  # an instruction bound to its kernel and arrays; calling it puts it on the device's queue


class Device(Protocol):
    """Memory and a queue.

    Attributes
    ----------
    name: as `--devices` has it, "cpu:0" or "gpu:1".
    threads: host threads that compute for it; 0 where the hardware has its own.
    """

    name: str
    threads: int

    def allocate(self, size: int) -> Any:
        """Zeroed memory of `size` bytes, aligned for the widest load.

        Raises
        ------
        NetdefError: there is not that much.
        """

    def array(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: str) -> Any:
        """The array at a byte offset of `memory`."""

    def bind(self, step: Instruction, arrays: Callable[[Buffer], Any]) -> Step:
        """Make an instruction ready to run: its kernel, arrays and constants looked up once."""

    def run(self, steps: Sequence[Step]) -> None:
        """Put bound instructions on the queue, in order."""

    def synchronize(self) -> None:
        """Wait until the queue is empty; raise what went wrong in it."""

    def write(self, array: Any, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does.  After all that was run before."""

    def read(self, array: Any) -> np.ndarray:
        """A copy for the host.  After all that was run before."""

    def close(self) -> None:
        """Give back threads, streams and memory."""
