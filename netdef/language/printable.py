"""Text of others on a terminal: control characters, escape sequences and marks of writing direction are not passed on."""

from __future__ import annotations

import re
from typing import Any, TextIO

STYLE = re.compile(r"(\x1b\[(?:[0-4]|2[2-4]|3[0-79]|9[0-7])(?:;(?:[0-4]|3[0-79]|9[0-7]))*m)")  # colours that text stays readable in


def printable(text: str) -> str:
    """The text with a replacement character for each that is not to be seen; tabs become spaces, ends of lines stay, and so do
    bytes of a name that are not UTF-8."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}"
        for c in text.replace("\t", "    ")
    )


class Terminal:
    """A stream to a terminal that passes on printable text and colours alone; all else is the stream's own."""

    def __init__(self, stream: TextIO):
        self.raw = stream

    def write(self, text: str) -> int:
        if not text.isprintable():
            pieces = STYLE.split(text)
            pieces[::2] = map(printable, pieces[::2])
            self.raw.write("".join(pieces))
        else:
            self.raw.write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def raw(stream: TextIO) -> TextIO:
    """A terminal's own stream, for what moves its cursor and passes `printable` text."""
    return stream.raw if isinstance(stream, Terminal) else stream
