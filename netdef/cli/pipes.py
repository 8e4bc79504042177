"""Output to a pipe whose reader may leave, as `| head` does: what a command writes to files must not depend on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TextIO


class ReaderLeftError(Exception):
    """Nobody reads what a command prints, and it does nothing else."""


class Output:
    """A stream that discards what is written after its reader has left; all else is the stream's own."""

    def __init__(self, stream: TextIO, prints_only: Callable[[], bool]):
        """prints_only: whether the command of that moment may end then. It raises ReaderLeftError."""
        self.stream, self.prints_only = stream, prints_only

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except BrokenPipeError:
            self._discard()
            return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        try:
            self.stream.flush()
        except BrokenPipeError:
            self._discard()

    def _discard(self) -> None:
        discard(self.stream)
        if self.prints_only():
            raise ReaderLeftError

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def discard(stream: TextIO) -> None:
    """Send what is still buffered, and what follows, nowhere; else the interpreter reports an error as it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
