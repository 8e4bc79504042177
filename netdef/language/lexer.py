"""Split a text into tokens, by the terminals of the grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from lark.lexer import PatternStr

from netdef.language.nodes import Token

# Tokens for text that no terminal matches: a string that its line does not close, and any other character. An open string ends
# before a bracket, so that a missing quote does not hide the end of the block.
OPEN_STRING, STRAY = "OPEN_STRING", "STRAY"
_LEFT_OVER = rf"(?P<{OPEN_STRING}>\"[^\"\n{{}}()\[\]]*|'[^'\n{{}}()\[\]]*)|(?P<{STRAY}>.)"

END = "$END"


def tokenizer(terminals: Iterable[Any], ignored: Iterable[str]) -> Callable[[str, int], list[Token]]:
    """A function from a text to its tokens, the last of type $END; of more than `most`, it returns `most` + 1.

    One regular expression skips ignored text and matches one token; it is possessive, so that no input makes it backtrack.
    """
    words: dict[str, str] = {}
    marks: dict[str, str] = {}
    patterns: dict[str, str] = {}
    for terminal in terminals:
        text = terminal.pattern.value
        if not isinstance(terminal.pattern, PatternStr):
            patterns[terminal.name] = terminal.pattern.to_regexp()
        elif text.isalpha():
            words[text] = terminal.name
        else:
            marks[text] = terminal.name
    skip = "|".join(f"(?:{patterns.pop(name)})" for name in ignored)
    mark = "|".join(re.escape(text) for text in sorted(marks, key=len, reverse=True))
    order = ("NUMBER", "NAME", "STRING")
    taken = "|".join(f"(?P<{name}>{patterns[name]})" for name in order)
    scan = re.compile(rf"(?:{skip})*+(?:(?P<MARK>{mark})|{taken}|\Z|{_LEFT_OVER})", re.DOTALL).finditer

    def tokens(text: str, most: int) -> list[Token]:
        found: list[Token] = []
        add = found.append
        for match in scan(text):
            kind = match.lastgroup
            if kind is None:
                break
            piece = match[kind]
            if kind == "MARK":
                kind = marks[piece]
            elif kind == "NAME":
                kind = words.get(piece, kind)
            add(Token(kind, piece, match.end() - len(piece)))
            if len(found) > most:
                break
        add(Token(END, "", len(text)))
        return found

    return tokens
