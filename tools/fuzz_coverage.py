"""Which lines of our own code have been reached."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

OURS = tuple(str(Path(__file__).resolve().parents[1] / package) for package in ("netdef", "runtime"))
ENOUGH = 40  # calls of a function without a new line, after which it is not looked at any more

Line = tuple[str, int]  # the file, and the number of the line


class Coverage:
    """The lines that have been reached while it is entered."""

    def __init__(self) -> None:
        self.lines: set[Line] = set()
        self._idle: Counter[CodeType] = Counter()

    def __enter__(self) -> None:
        sys.settrace(self._called)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if self._idle[code] >= ENOUGH:
            return None
        if not code.co_filename.startswith(OURS):
            self._idle[code] = ENOUGH
            return None
        self._idle[code] += 1
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and (line := (frame.f_code.co_filename, frame.f_lineno)) not in self.lines:
            self.lines.add(line)
            self._idle[frame.f_code] = 0
        return self._line
