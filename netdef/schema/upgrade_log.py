"""The log of a conversion from an older format."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from netdef.schema.origins import Span


@dataclass(frozen=True, slots=True)
class Problem:
    """A field that cannot be converted.

    Attributes
    ----------
    span: of the field. misspelt: an unknown word, and the known ones; empty for other problems.
    """

    message: str
    span: Span
    hint: str = ""
    misspelt: tuple[str, Collection[str]] = ("", ())


@dataclass
class Upgrade:
    """Notes on what was converted and what was lost, and problems with what could not be."""

    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report(self, message: str, span: Span, hint: str = "", misspelt: tuple[str, Collection[str]] = ("", ())) -> None:
        """Record that something cannot be converted."""
        self.problems.append(Problem(message, span, hint, misspelt))
