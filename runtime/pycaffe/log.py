"""caffe.init_log, caffe.log and caffe.Timer."""

from __future__ import annotations

import sys
from time import perf_counter

INFO = 0
_least = INFO


def init_log(level: int = INFO, stderr: bool = True) -> None:
    """Set the least level of messages that `log` shows: 0, all; above 0, none, as `log` makes those of level 0.

    Raises
    ------
    NotImplementedError: stderr is False; netdef writes no files of messages.
    """
    global _least
    if not stderr:
        raise NotImplementedError("caffe.init_log(level, False): netdef writes messages to stderr only")
    _least = level


def log(message: str) -> None:
    """Write a line to stderr."""
    if _least <= INFO:
        print(message, file=sys.stderr)


class Timer:
    """A clock: `start`, `stop`, and the milliseconds between them, `ms`."""

    def __init__(self) -> None:
        self._begin = self._end = perf_counter()

    def start(self) -> None:
        self._begin = self._end = perf_counter()

    def stop(self) -> None:
        self._end = perf_counter()

    @property
    def ms(self) -> float:
        return (self._end - self._begin) * 1000
