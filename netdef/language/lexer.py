"""Split a text into tokens, by the terminals of the grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from netdef.language.nodes import Token

# Tokens for text that no terminal matches: a string that its line does not close, and any other character. An open string ends
# before a bracket, so that a missing quote does not hide the end of the block.
OPEN_STRING, STRAY = "OPEN_STRING", "STRAY"
_LEFT_OVER = rf"(?P<{OPEN_STRING}>\"[^\"\n{{}}()\[\]]*|'[^'\n{{}}()\[\]]*)|(?P<{STRAY}>.)"

END = "$END"
Tokenizer = Callable[[str, int], list[Token]]


def tokenizer(terminals: Mapping[str, Mapping[str, str]], ignored: Iterable[str]) -> Tokenizer:
    """For the terminals of a `Grammar`, a function from a text to its tokens, the last of type $END.

    Of more than `most` tokens, it returns `most` + 1.

    One regular expression skips ignored text and matches one token; it is possessive, so that no input makes it backtrack.
    """
    words: dict[str, str] = {}
    marks: dict[str, str] = {}
    patterns: dict[str, str] = {}
    for name, terminal in terminals.items():
        if "pattern" in terminal:
            patterns[name] = terminal["pattern"]
        elif terminal["text"].isalpha():
            words[terminal["text"]] = name
        else:
            marks[terminal["text"]] = name
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
