"""Ctrl-C, SIGTERM and a terminal that goes away: the first asks for an orderly end, another ends at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

from runtime.machine.ranks.ranks import Ranks

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MESSAGE = b"\nfinishing this iteration, then writing a snapshot; once more stops at once\n"


class StopRequest:
    """Whether the run was asked to end; a context manager that takes the signals over, but none that is ignored (nohup).

    Parameters
    ----------
    ranks: those that run the same, all of which end where one was asked to; each question then takes all of them.

    Attributes
    ----------
    signal: the signal that came, here or by the last question on another rank; or None.
    """

    def __init__(self, ranks: Ranks | None = None) -> None:
        self.signal: signal.Signals | None = None
        self._ranks, self._agreed = ranks, False
        self._came = False  # one came to this process itself
        self._before: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        if self._ranks is None or self._agreed:
            return self.signal is not None
        mine = None if self.signal is None else int(self.signal)
        signals = [one for one in self._ranks.exchange(mine) if one is not None]
        self._agreed = bool(signals)
        if signals and self.signal is None:
            self.signal = signal.Signals(signals[0])
            self._show_message()
        return self._agreed

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, as shells have it."""
        return 128 + (self.signal or 0)

    def __enter__(self) -> StopRequest:
        for which in SIGNALS if threading.current_thread() is threading.main_thread() else ():
            if signal.getsignal(which) is not signal.SIG_IGN:
                self._before[which] = signal.signal(which, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._came:
            if number == signal.SIGHUP:  # the kernel and the shell each send one
                return
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self._came = True
        if self.signal is None:  # else another rank had one, and this is the same request
            self.signal = signal.Signals(number)
            self._show_message()

    def _show_message(self) -> None:
        """Written past Python's buffers, which the main thread may be in the middle of using."""
        is_shown = self._ranks is None or self._ranks.first
        if is_shown and sys.__stderr__ is not None:  # or descriptor 2 may be one of the run's files
            with suppress(OSError):
                os.write(sys.__stderr__.fileno(), MESSAGE)
