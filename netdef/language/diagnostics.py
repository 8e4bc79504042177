"""Diagnostics: the position of an error in a file, what is wrong, and a hint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from netdef.language.printable import printable
from netdef.language.source import Position, Source

__all__ = ["Diagnostic", "NetdefError", "Note", "Position", "Source"]

_WIDTH = 100  # columns of a quoted line; a longer one is cut around the position
_SHOWN = 40  # diagnostics shown of one file


@dataclass(frozen=True, slots=True)
class Note:
    """A second position that helps to understand a diagnostic."""

    message: str
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """An error, warning or note. `hint`: what to do about it. `code`: its entry in netdef/check/codes.py."""

    message: str
    position: Position | None = None
    hint: str = ""
    notes: tuple[Note, ...] = ()
    severity: str = "error"
    code: str = ""

    def __str__(self) -> str:
        lines = _headed(self.severity, self.message, self.position)
        if self.hint:
            lines.append(f"    {printable(self.hint)}")
        for note in self.notes:
            lines += _headed("note", note.message, note.position)
        return "\n".join(lines)


class Remark(UserWarning):
    """A warning that commands print as one line, which begins with `word`."""

    word = "note"


class OldFormatWarning(Remark):
    """A file is of one of Caffe's older formats; it was read as the present one."""


class NetdefError(Exception):
    """Any error that a user can cause. `str()` of it is the text for users: all diagnostics, in the order of the file.

    It is made from one message, with `position`, `hint`, `notes` and `code` as a Diagnostic has them, or from several Diagnostics.
    `partial` is what could be read all the same, where that is enough to look for further mistakes.
    """

    partial: Any = None

    def __init__(
        self,
        message: str | Iterable[Diagnostic],
        position: Position | None = None,
        hint: str = "",
        notes: Sequence[Note] = (),
        code: str = "",
    ) -> None:
        self.diagnostics: tuple[Diagnostic, ...]
        if isinstance(message, str):
            self.diagnostics = (Diagnostic(message, position, hint, tuple(notes), code=code),)
        else:
            self.diagnostics = tuple(in_order(message))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        shown = [str(diagnostic) for diagnostic in islice(self.diagnostics, _SHOWN)]
        if len(self.diagnostics) > _SHOWN:
            shown.append(f"and {len(self.diagnostics) - _SHOWN} more errors")
        return "\n".join(shown)


class UnreadableError(NetdefError):
    """A file that may be whole cannot be read here: a package, a permission or a later netdef is missing."""


def unreadable(path: object, error: OSError) -> NetdefError:
    """The error for a file that the system does not let us read."""
    kind = UnreadableError if isinstance(error, PermissionError) else NetdefError
    return kind(f"cannot read {path}: {error.strerror}")


def coded(diagnostics: Iterable[Diagnostic], code: str) -> list[Diagnostic]:
    """The same diagnostics, with this code where they have none."""
    return [one if one.code else replace(one, code=code) for one in diagnostics]


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by position, those without a position last, without duplicates."""
    return sorted(dict.fromkeys(diagnostics), key=lambda one: _sort_key(one.position))


def _sort_key(position: Position | None) -> list[tuple[int, int]]:
    """Sort key: line and column, in an included file after those of the include."""
    keys: list[tuple[int, int]] = []
    while position is not None:
        keys.append((position.line, position.column))
        position = position.source.included_from if position.source is not None else None
    return keys[::-1] or [(1 << 62, 0)]


def _headed(severity: str, message: str, position: Position | None) -> list[str]:
    if position is None:
        return [printable(f"{severity}: {message}")]
    lines = [printable(f"{position}: {severity}: {message}"), *_quoted(position)]
    at = position.source.included_from if position.source is not None else None
    while at is not None:
        lines.append(printable(f"    included from {at}"))
        at = at.source.included_from if at.source is not None else None
    return lines


def _quoted(position: Position) -> list[str]:
    """The line of a position, with carets under the text."""
    if position.source is None:
        return []
    line, column = position.source.line(position.line), position.column - 1
    length = max(1, min(position.length, len(line) - column))
    before, after = "", ""
    if len(line) > _WIDTH:
        start = max(0, min(column - _WIDTH // 3, len(line) - _WIDTH))
        before, after = "..." if start else "", "..." if start + _WIDTH < len(line) else ""
        line, column = line[start : start + _WIDTH], column - start
        length = max(1, min(length, _WIDTH - column))
    shown = before + plain(line[:column])
    under = plain(line[column : column + length])
    whole = shown + under + plain(line[column + length :]) + after
    number = f"{position.line:>5}"
    return [f"{number} | {whole}".rstrip(), f"{' ' * len(number)} | {' ' * len(shown)}{'^' * max(1, len(under))}"]


def plain(text: str) -> str:
    """Text for a terminal: tabs become spaces, control characters a replacement character."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", "    "))
