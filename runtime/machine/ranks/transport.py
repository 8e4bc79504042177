"""What carries messages between ranks: MPI, or in tests a memory that several threads share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


class LostError(Exception):
    """The transport carries nothing more: a rank is gone, or the messages fail.  gone: whether it is a rank."""

    def __init__(self, text: str, gone: bool):
        super().__init__(text)
        self.gone = gone


class Transport(Protocol):
    """Messages between ranks.  All but `abort` and `survivors` is called by one thread only, the courier's, and none of it waits.

    Where the library behind it reports that a rank is gone, all of it raises LostError, on every rank that is left.

    Messages from one rank to another under one tag arrive in the order in which they were sent; notices likewise.

    Attributes
    ----------
    rank: of this process.  size: how many ranks there are.
    node: a number that the ranks of one machine have in common, and no others.
    """

    rank: int
    size: int
    node: int

    def send(self, array: Bytes, to: int, tag: int) -> Any:
        """Begin to send an array, which must not change until that has been done.  Returns a handle for `done`."""

    def receive(self, array: Bytes, source: int, tag: int) -> Any:
        """Begin to receive into an array, of the size of what is sent.  Returns a handle for `done`."""

    def add_up(self, array: Floats, root: int) -> Any:
        """Begin to add up arrays of one size, in an order of its own; the root's becomes the sum.  Returns a handle for `done`.

        All ranks call this in the same order, with the same roots.
        """

    def done(self, handles: Sequence[Any]) -> list[int]:
        """Which of some handles' messages are through, by index; each is given once."""

    def notify(self, message: bytes, to: int) -> None:
        """Send a notice: a message of any size that nobody has to wait for."""

    def notice(self) -> tuple[int, bytes] | None:
        """The next notice that has come, and from which rank; None if there is none."""

    def abort(self, code: int) -> None:
        """End the processes of all ranks at once with an exit code."""

    def survivors(self) -> tuple[Transport, list[int]]:
        """The transport of the ranks that are left, which all call this, and the ranks that are gone."""

    def close(self) -> None:
        """Let go of what is still under way."""
