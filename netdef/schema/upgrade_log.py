"""What an upgrade from an older format changed, and what it could not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from netdef.schema.origins import Span


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be converted.

    Attributes
    ----------
    span: where it stands. misspelt: a word, and those that were known in its place; empty for other problems.
    """

    message: str
    span: Span
    hint: str = ""
    misspelt: tuple[str, Collection[str]] = ("", ())


@dataclass
class Upgrade:
    """What was converted, in words, and what could not be."""

    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report(self, message: str, span: Span, hint: str = "", misspelt: tuple[str, Collection[str]] = ("", ())) -> None:
        """Record that something cannot be converted."""
        self.problems.append(Problem(message, span, hint, misspelt))
