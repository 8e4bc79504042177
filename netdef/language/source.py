"""The text of a file, and positions in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


def excerpt(text: str, width: int = 60) -> str:
    """A piece of a file as a message can quote it: cut if it is long."""
    return text if len(text) <= width else text[: width - 3] + "..."


class Source:
    """A file's name and text. Lines and columns are computed from offsets only when needed.

    Line ends of all systems become a newline. Offsets of included files continue those of this file, and of the files included
    before them.

    Attributes
    ----------
    included_from: the position of the include, for an included file.
    included: all included files, each with the offset at which it begins.
    by_caller: whether the caller wrote it, in an option or in Python, and no file holds it.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.included_from: Position | None = None
        self.by_caller = False
        self.included: list[tuple[int, Source]] = []
        self.text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """The offset at which each line starts."""
        if self._starts is None:
            starts = [0]
            at = self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._starts = starts
        return self._starts

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its newline; empty if there is no such line."""
        if not 1 <= number <= len(self.starts):
            return ""
        end = self.starts[number] - 1 if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : end]

    def line_number(self, offset: int) -> int:
        """The line that holds an offset, counted from 1."""
        return bisect_right(self.starts, offset)

    def add(self, file: Source) -> int:
        """Append an included file. Returns the offset at which it begins."""
        begin, last = self.included[-1] if self.included else (0, self)
        begin += len(last.text) + 1
        self.included.append((begin, file))
        return begin

    def position(self, start: int, end: int | None = None) -> Position:
        """The position of the text from offset `start` to `end`, or to the end of its first line if that is earlier."""
        if start > len(self.text) and self.included:
            begin, file = self.included[bisect_right(self.included, start, key=lambda one: one[0]) - 1]
            return file.position(start - begin, None if end is None else end - begin)
        number = self.line_number(start)
        column = start - self.starts[number - 1]
        line_end = self.starts[number] - 1 if number < len(self.starts) else len(self.text)
        length = 1 if end is None else max(1, min(end, line_end) - start)
        return Position(self.name, number, column + 1, length, self)


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a file: line and column are counted from 1, in characters.

    `source`: lets a diagnostic quote the line; None if it is unknown.
    """

    file: str
    line: int
    column: int
    length: int = 1
    source: Source | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
