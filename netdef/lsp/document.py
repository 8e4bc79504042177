"""The text in an editor, and positions in it as the protocol counts them: lines from 0, columns in the units agreed on."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from lsprotocol import types

from netdef.language.find import shown
from netdef.language.kinds import SOLVER, kind_of_text
from netdef.language.source import Position, Source

Units = Callable[[str], int]  # how many units of the protocol a piece of text takes

_PLAIN = ("plaintext", "text")  # what editors call a text in no language
_ENDINGS = (".net", ".prototxt", ".pbtxt")
_SOLVER = re.compile(r"^[ \t]*(?:base_lr|lr_policy)[ \t]*:", re.MULTILINE)
_LOOKED_AT = 20_000  # letters that show what a text is
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# A statement of a net at the start of a line. In the braces of another it could only stand by mistake.
_STATEMENT = re.compile(
    r"""^(?:(?:(?:train|test)[ \t]+)?layers?\b|defaults\b|include[ \t]*["']|(?:remove|bypass)[ \t]+(?:layer|train|test)\b)""",
    re.MULTILINE,
)


def is_meant(uri: str, language: str, text: str) -> bool:
    """Whether an open text is netdef's business: editors that know of no such language send all plain text."""
    return language not in _PLAIN or uri.endswith(_ENDINGS) or _SOLVER.search(text) is not None


def utf16(text: str) -> int:
    """What the protocol counts in unless something else is agreed on."""
    return len(text) + sum(letter > "\uffff" for letter in text)


class Document:
    """A text, and the file that it is of; offsets are those of `text`, in which all line ends are newlines.

    Attributes
    ----------
    path: None for a text that has no file.
    uri: what the editor calls it.
    name: what messages call it.
    """

    def __init__(self, text: str, path: Path | None = None, uri: str = "") -> None:
        self.path = path
        self.uri = uri
        self.name = str(shown(path)) if path is not None else uri.rpartition("/")[2] or "text"
        if text.startswith(_BYTE_ORDER_MARK):
            text = " " + text[1:]
        self.source = Source(self.name, text)
        self.text = self.source.text

    @property
    def folder(self) -> Path:
        """Where the files that it names are looked for."""
        return self.path.parent if self.path is not None else Path.cwd()

    @cached_property
    def resolved(self) -> Path | None:
        """Its file, by the one name that does not depend on links."""
        return self.path.resolve() if self.path is not None else None

    @cached_property
    def is_solver(self) -> bool:
        """Whether it is a solver's text, as far as its beginning and its name show; otherwise it is a net's."""
        kind = kind_of_text(self.text[:_LOOKED_AT], self.name)
        return kind == SOLVER or (kind is None and "solver" in Path(self.name).name.lower())

    @cached_property
    def starts(self) -> list[int]:
        """Where the pieces begin that can be understood each by itself: a statement's mistakes end with its piece."""
        found = [] if self.is_solver else [match.start() for match in _STATEMENT.finditer(self.text)]
        return found if found[:1] == [0] else [0, *found]

    def piece(self, offset: int) -> tuple[int, str]:
        """The offset and the text of the piece that holds an offset, or that ends at it where none starts there."""
        index = bisect_right(self.starts, offset) - 1
        end = self.starts[index + 1] if index + 1 < len(self.starts) else len(self.text)
        return self.starts[index], self.text[self.starts[index] : end]

    def pieces(self) -> list[tuple[int, str]]:
        """All pieces in order, each with its offset."""
        return [(start, self.text[start:end]) for start, end in zip(self.starts, [*self.starts[1:], len(self.text)], strict=True)]

    def offset(self, at: types.Position, units: Units) -> int:
        """The offset of a position of the protocol; the nearest there is, where the text has no such position."""
        if at.line >= len(self.source.starts):
            return len(self.text)
        line = self.source.line(at.line + 1)
        return self.source.starts[at.line] + _column(line, at.character, units)

    def range(self, start: int, end: int, units: Units) -> types.Range:
        """A stretch of the text for the protocol."""
        return types.Range(self._position(start, units), self._position(end, units))

    def _position(self, offset: int, units: Units) -> types.Position:
        line = self.source.line_number(offset)
        return types.Position(line - 1, units(self.text[self.source.starts[line - 1] : offset]))


def range_of(at: Position, units: Units) -> types.Range:
    """A diagnostic's range for the protocol."""
    line = at.source.line(at.line) if at.source is not None else " " * (at.column + at.length)
    start = units(line[: at.column - 1])
    return types.Range(
        types.Position(at.line - 1, start),
        types.Position(at.line - 1, start + units(line[at.column - 1 : at.column - 1 + at.length])),
    )


def _column(line: str, character: int, units: Units) -> int:
    """How many letters of a line come before a column of the protocol."""
    if line.isascii():
        return min(character, len(line))
    counted = 0
    for index, letter in enumerate(line):
        if counted >= character:
            return index
        counted += units(letter)
    return len(line)
