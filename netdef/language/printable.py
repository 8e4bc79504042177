"""Text of others on a terminal and in pages: control characters, escapes and marks of writing direction are not passed on."""

from __future__ import annotations

import re
from typing import Any, TextIO

STYLE = re.compile(r"(\x1b\[(?:[0-4]|2[2-4]|3[0-79]|9[0-7])(?:;(?:[0-4]|3[0-79]|9[0-7]))*m)")  # colours that text stays readable in
UNSEEN = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def printable(text: str) -> str:
    """The text with a replacement character for each that is not to be seen; tabs become spaces, ends of lines stay, and so do
    bytes of a name that are not UTF-8."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}"
        for c in text.replace("\t", "    ")
    )


def in_page(text: str) -> str:
    """The text of a page or a picture, with a replacement character for each control character, which XML does not allow, and each
    mark of writing direction."""
    return text if text.isascii() and text.isprintable() else UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


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
