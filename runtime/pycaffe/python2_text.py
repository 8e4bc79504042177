"""Python 2's own statements and literals in Python 3's form.  Each stays in its line."""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r"""
    (?P<string>[uUbBrR]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^\\\n"])*"|'(?:\\.|[^\\\n'])*'))
    |(?P<comment>\#[^\n]*)|(?P<joined>\\\n)|(?P<newline>\n)|(?P<space>[ \t\f]+)
    |(?P<number>(?:\d[\w]*\.?[\w]*|\.\d\w*)(?:(?<=[eE])[+-]\d+)?)|(?P<name>[^\W\d]\w*)|(?P<op><>|>>|==|.)
    """,
    re.X | re.S,
)
COMPOUND = ("if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class")
Token = tuple[str, str]  # its kind and its text


def as_python3_text(text: str) -> str:
    """A Python 2 text with print, exec, raise, except, backquotes, <>, 0777, 10L and tabs as Python 3 has them."""
    own_print = re.search(r"^from __future__ import .*\bprint_function\b", text, re.M) is not None
    tokens: list[Token] = [(match.lastgroup or "op", match.group()) for match in TOKEN.finditer(text)]
    return "".join(text for line in _lines(_literals(tokens)) for text in _statements(line, own_print))


def _literals(tokens: list[Token]) -> Iterator[Token]:
    quoted, is_begin = False, True
    for kind, text in tokens:
        if kind == "space" and is_begin:
            text = text.expandtabs(8)
        elif kind == "number":
            text = text.rstrip("lL") if not text.lower().startswith("0x") else text.rstrip("L")
            text = re.sub(r"^0+([0-7]+)$", r"0o\1", text) if text.strip("0") else text
        elif kind == "string":
            text = re.sub(r"^[uU](?=[rR])", "", text)
        elif text == "<>":
            text = "!="
        elif text == "`":
            quoted = not quoted
            text = "repr(" if quoted else ")"
        is_begin = kind == "newline"
        yield kind, text


def _lines(tokens: Iterator[Token]) -> Iterator[list[Token]]:
    """Logical lines: those that brackets hold together are one."""
    line: list[Token] = []
    depth = 0
    for kind, text in tokens:
        line.append((kind, text))
        depth += _step(kind, text)
        if kind == "newline" and depth <= 0:
            yield line
            line, depth = [], 0
    if line:
        yield line


def _step(kind: str, text: str) -> int:
    return 0 if kind in ("string", "comment") else sum(text.count(one) for one in "([{") - sum(text.count(one) for one in ")]}")


def _statements(line: list[Token], own_print: bool) -> Iterator[str]:
    """The texts of a line's statements, each translated."""
    statement: list[Token] = []
    depth, header = 0, False
    for kind, text in line:
        first = next((token for token in statement if token[0] not in ("space", "joined")), None)
        if first is None and kind == "name":
            header = text in COMPOUND
        depth += _step(kind, text)
        if depth == 0 and (text == ";" or (text == ":" and header)) and kind == "op":
            yield _statement(statement, own_print) + text
            statement, header = [], False
            continue
        statement.append((kind, text))
    yield _statement(statement, own_print)


def _statement(tokens: list[Token], own_print: bool) -> str:
    begin = next((i for i, (kind, _) in enumerate(tokens) if kind not in ("space", "joined")), len(tokens))
    end = len(tokens)
    while end > begin and tokens[end - 1][0] in ("space", "comment", "newline"):
        end -= 1
    before, inner, after = tokens[:begin], tokens[begin:end], tokens[end:]
    made = _translated(inner, own_print) if inner else ""
    return _text(before) + made + _text(after)


def _translated(tokens: list[Token], own_print: bool) -> str:
    kind, word = tokens[0]
    rest = tokens[1:]
    while rest and rest[0][0] == "space":
        rest = rest[1:]
    following = rest[0][1] if rest else ""
    if kind == "name" and word == "print" and not own_print and following not in ("=", ".", ","):
        return _print(rest)
    parts = _split(rest, "in")
    if kind == "name" and word == "exec" and rest and (following not in ("=", ".", "(") or (following == "(" and len(parts) > 1)):
        return f"exec({', '.join(_text(part).strip() for part in parts)})"
    parts = _split(rest, ",")
    if kind == "name" and word == "raise" and len(parts) > 1:
        error, value, *trace = (_text(part).strip() for part in parts)
        return f"raise {error}({value})" + "".join(f".with_traceback({one})" for one in trace)
    if kind == "name" and word == "except" and len(parts) == 2:
        return f"except {_text(parts[0]).strip()} as {_text(parts[1]).strip()}"
    return _text(tokens)


def _print(tokens: list[Token]) -> str:
    options = ""
    parts = _split(tokens, ",")
    if tokens and tokens[0][1] == ">>":
        options, parts = f"file={_text(parts[0][1:]).strip()}", parts[1:]
    if len(parts) > 1 and not _text(parts[-1]).strip():
        parts, options = parts[:-1], ", ".join(filter(None, (options, 'end=" "')))
    values = ",".join(map(_text, parts))
    return f"print({', '.join(filter(None, (values, options)))})"


def _split(tokens: list[Token], separator: str) -> list[list[Token]]:
    """Tokens between separators that stand outside of brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for kind, text in tokens:
        depth += _step(kind, text)
        if depth == 0 and text == separator and kind in ("op", "name"):
            parts.append([])
        else:
            parts[-1].append((kind, text))
    return parts


def _text(tokens: list[Token]) -> str:
    return "".join(text for _, text in tokens)
