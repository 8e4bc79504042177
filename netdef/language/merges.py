"""Conflict markers that git leaves in a file that it could not merge."""

from __future__ import annotations

import re
from bisect import bisect_right

from netdef.language.diagnostics import Diagnostic
from netdef.language.nodes import Token
from netdef.language.source import Source

WIDTH = 7
_MARK = re.compile(rf"^(?:<{{{WIDTH}}}|\|{{{WIDTH}}}|={{{WIDTH}}}|>{{{WIDTH}}})(?=[ \r]|$).*", re.MULTILINE)


def without_markers(source: Source, tokens: list[Token]) -> tuple[list[Diagnostic], list[tuple[int, int]], list[Token]]:
    """An error for each conflict; the range of text that they affect; and the tokens without the markers."""
    lines = [match.span() for match in _MARK.finditer(source.text)]
    if not lines:
        return [], [], tokens
    begins = [start for start, _ in lines if source.text[start] == "<"] or [start for start, _ in lines]
    hint = "keep one of the two versions, and remove git's markers"
    errors = [Diagnostic("unresolved merge conflict", source.position(start, start + WIDTH), hint) for start in begins]
    starts = [start for start, _ in lines]

    def is_kept(token: Token) -> bool:
        at = bisect_right(starts, token.start) - 1
        return at < 0 or token.start >= lines[at][1]

    return errors, [(lines[0][0], lines[-1][1])], [token for token in tokens if is_kept(token)]
