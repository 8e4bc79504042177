"""Explain syntax errors."""

from __future__ import annotations

import unicodedata

from netdef.language.brackets import BLOCK, WORDS
from netdef.language.diagnostics import Diagnostic
from netdef.language.lexer import END, STRAY
from netdef.language.nodes import Token
from netdef.language.source import Position, Source, excerpt
from netdef.language.spelling import nearest

NAMES = WORDS | {"STRING", "NUMBER"}
LEAVE_OUT = ("REMOVE", "BYPASS")
HEADS = ("LAYER", "DEFAULTS", "TRAIN", "TEST", *LEAVE_OUT)
VALUES = NAMES | {"MINUS", "PLUS"}
UNFINISHED = {  # by the first word of a statement that ends after it
    "LAYER": ("this layer has no name", "write layer NAME: TYPE(...)"),
    "TRAIN": ("train which layer?", "write train layer NAME: TYPE(...)"),
    "TEST": ("test which layer?", "write test layer NAME: TYPE(...)"),
    "DEFAULTS": ("defaults of which type?", "write defaults TYPE { ... }"),
    "INCLUDE": ("include which file?", 'write include "FILE"'),
    "REMOVE": ("remove which layer?", "write remove layer NAME"),
    "BYPASS": ("bypass which layer?", "write bypass layer NAME"),
}
_QUOTES = {"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2018": "'", "\u2019": "'"}


def open_string(token: Token, position: Position) -> Diagnostic:
    """The error of a string that its line does not close."""
    quote = token.text[0]
    rest = token.text[1:].strip()
    other = "'" if quote == '"' else '"'
    if not rest:
        return Diagnostic(f"this string is not closed: it is opened here, with {quote}", position, "is one quote too many?")
    if rest.endswith(other):
        return Diagnostic(f"this string is opened with {quote} and closed with {other}", position, f"close it with {quote}")
    return Diagnostic(f"this string is not closed: it is opened here, with {quote}", position, f"close it with {quote}")


def starts_statement(tokens: list[Token], index: int) -> bool:
    """Whether a token looks like the first of a field, a layer, defaults, an include or a remove."""
    kind, following = tokens[index].type, tokens[index + 1].type if index + 1 < len(tokens) else END
    if kind not in WORDS:
        return False
    if following == "COLON" or following in BLOCK or following == "LSQB":
        return True
    if kind in ("LAYER", "DEFAULTS"):
        return following in NAMES
    if kind == "INCLUDE":
        return following == "STRING"
    if kind in LEAVE_OUT:
        return following in ("LAYER", "TRAIN", "TEST")
    return kind in ("TRAIN", "TEST") and following == "LAYER"


def begins_line(source: Source, tokens: list[Token], index: int) -> bool:
    """Whether a token is a word, the first of its line, and looks like the start of a statement."""
    before = tokens[index - 1].end if index else 0
    if tokens[index].type not in WORDS or (index and "\n" not in source.text[before : tokens[index].start]):
        return False
    return starts_statement(tokens, index) or tokens[index + 1].type in NAMES


def begins_statement(source: Source, tokens: list[Token], index: int) -> bool:
    """Whether a statement may begin at this token, after an error before it."""
    return starts_statement(tokens, index) or begins_line(source, tokens, index)


def statement_start(tokens: list[Token], at: int) -> int:
    """The index at which the statement with an error at token `at` begins."""
    for index in range(at - 1, max(-1, at - 40), -1):
        if tokens[index].type in BLOCK or tokens[index].type in ("RBRACE", "MORETHAN"):
            return index + 1
        if starts_statement(tokens, index) and not (index and tokens[index - 1].type in ("COLON", *HEADS)):
            return index
    return at


def explain(source: Source, tokens: list[Token], at: int) -> tuple[Diagnostic, int]:
    """The error at token `at`, and the index from which to search the next statement."""
    token = tokens[at]
    if token.type == STRAY:
        return _stray(source, tokens, at), at + 1
    for clue in CLUES:
        found = clue(tokens, at)
        if found is not None:
            message, hint, index, resume = found
            return Diagnostic(message, _position(source, tokens[index]), hint), resume
    if token.type == END:
        last = tokens[max(0, at - 1)]
        return Diagnostic(f"the file ends after {_show(last)}, inside a statement", _position(source, last)), at
    message = f"expected the name of a field, found {_show(token)}"
    return Diagnostic(message, _position(source, token), _wanted(tokens, at)), at


Clue = tuple[str, str, int, int] | None  # message, hint, index of the token to point at, index to go on from


def _stray(source: Source, tokens: list[Token], at: int) -> Diagnostic:
    token, before = tokens[at], tokens[at - 1] if at else None
    position = _position(source, token)
    if token.text == "=" and before is not None and before.type in WORDS:
        value = _plain(tokens[at + 1]) if tokens[at + 1].type in NAMES else "..."
        name = ("layer " if at > 1 and tokens[at - 2].type == "LAYER" else "") + _plain(before)
        return Diagnostic("'=' does not set a field", position, f"write {name}: {value}")
    if token.text in _QUOTES:
        return Diagnostic(f"{token.text} is not a quote of this language", position, f"write {_QUOTES[token.text]}")
    if token.text in "/*":
        return Diagnostic(f"unexpected {token.text!r}", position, "a comment starts with #, a string is in quotes")
    if token.text.isprintable():
        return Diagnostic(f"unexpected character {token.text!r}", position)
    name = unicodedata.name(token.text, "control character")
    return Diagnostic(f"unexpected character U+{ord(token.text):04X} ({name.lower()})", position, "remove it")


def _misspelt_layer(tokens: list[Token], at: int) -> Clue:
    """`layr conv1: ReLU(x)` and `train conv1: ReLU(x)`."""
    if at == 0 or tokens[at - 1].type not in ("NAME", "TRAIN", "TEST") or tokens[at].type not in NAMES:
        return None
    following = [one.type for one in tokens[at + 1 : at + 4]]
    if len(following) < 3 or following[0] != "COLON" or following[1] not in WORDS or following[2] == "COLON":
        return None
    word, head = _plain(tokens[at - 1]), f"{_plain(tokens[at])}: {_plain(tokens[at + 2])}"
    if tokens[at - 1].type != "NAME":
        return f"expected layer after {word}, found {_show(tokens[at])}", f"write {word} layer {head}", at, at + 2
    known = nearest(word, ("layer", "train", "test", "defaults", "include", "remove", "bypass"))
    if known is None and following[2] not in ("LPAR", "ARROW", *BLOCK):
        return None
    return f"unknown word {word!r} before {_plain(tokens[at])}", f"write layer {head}", at - 1, at + 2


def _no_file(tokens: list[Token], at: int) -> Clue:
    """`include alexnet.net`."""
    before, token = tokens[at - 1] if at else None, tokens[at]
    if before is None or before.type != "INCLUDE" or token.type != "NAME" or tokens[at + 1].type in ("COLON", *BLOCK):
        return None
    if at > 1 and tokens[at - 2].type in ("COLON", "LAYER"):
        return None
    return "the file to include must be in quotes", f'write include "{_plain(token)}"', at, at + 1


def _remove_what(tokens: list[Token], at: int) -> Clue:
    """`remove conv1`, and `bypass layer` without a name."""
    head = [one.type for one in tokens[max(0, at - 3) : at]]
    first = next((kind for kind in head if kind in LEAVE_OUT), None)
    if first is None or tokens[at].type in ("COLON", *BLOCK):
        return None
    head, word = head[head.index(first) :], first.lower()
    if head == [first] and tokens[at].type in NAMES and (at < 2 or tokens[at - 2].type not in ("COLON", "LAYER")):
        return f"expected layer after {word}, found {_show(tokens[at])}", f"write {word} layer {_plain(tokens[at])}", at, at + 1
    if head in ([first, "LAYER"], [first, "TRAIN", "LAYER"], [first, "TEST", "LAYER"]):
        return *UNFINISHED[first], at - 1, at
    return None


def _no_value(tokens: list[Token], at: int) -> Clue:
    """`kernel_size: }` and `kernel_size: stride: 2`."""
    token = tokens[at]
    if token.type == "COLON" and at >= 3 and tokens[at - 2].type == "COLON" and tokens[at - 1].type in WORDS:
        if tokens[at - 3].type in WORDS:
            return f"{_plain(tokens[at - 3])} has no value", f"write {_plain(tokens[at - 3])}: ...", at - 3, at - 1
        return None
    if at >= 2 and tokens[at - 1].type == "COLON" and tokens[at - 2].type in WORDS and token.type not in VALUES:
        if at >= 3 and tokens[at - 3].type == "LAYER":
            return f"layer {_plain(tokens[at - 2])} has no type", f"write layer {_plain(tokens[at - 2])}: TYPE", at - 2, at
        if token.type not in ("COLON", "LPAR"):
            return f"{_plain(tokens[at - 2])} has no value", f"write {_plain(tokens[at - 2])}: ...", at - 2, at
    return None


def _no_number(tokens: list[Token], at: int) -> Clue:
    """`value: -`."""
    if at and tokens[at - 1].type in ("MINUS", "PLUS"):
        sign = tokens[at - 1].text
        return f"expected a number after '{sign}', found {_show(tokens[at])}", "", at - 1, at
    return None


def _no_layer(tokens: list[Token], at: int) -> Clue:
    """`conv1: Convolution(data)`, `layer: Convolution(data)`, and a comma too many before `layer conv1: Convolution(data)`."""
    if tokens[at].type not in ("LPAR", "ARROW") or at < 3 or tokens[at - 2].type != "COLON" or tokens[at - 1].type not in NAMES:
        return None
    name, kind = _plain(tokens[at - 3]), _plain(tokens[at - 1])
    if at >= 5 and tokens[at - 4].type == "LAYER" and tokens[at - 5].type == "COMMA":
        return "expected a name after ','", "", at - 5, at - 4
    if at >= 5 and tokens[at - 4].type == "LAYER" and tokens[at - 5].type == "COLON":
        return "a ':' before layer", "remove it", at - 5, at - 4
    if tokens[at - 3].type == "LAYER":
        return "this layer has no name", f"write layer NAME: {kind}{'(...)' if tokens[at].type == 'LPAR' else ''}", at - 3, at
    if tokens[at - 3].type in WORDS:
        return f"expected layer before {name}", f"write layer {name}: {kind}(...)", at - 3, at
    return None


def _two_colons(tokens: list[Token], at: int) -> Clue:
    if tokens[at].type == "COLON" and tokens[at - 1].type == "COLON":
        return "a second ':'", "remove it", at, at + 1
    return None


def _after_layer(tokens: list[Token], at: int) -> Clue:
    """Inside the head of a layer in one line, or of defaults."""
    begin = statement_start(tokens, at)
    head = tokens[begin:at]
    if head and head[0].type in ("TRAIN", "TEST") and len(head) > 1 and head[1].type == "LAYER":
        head = head[1:]
    if not head or head[0].type not in ("LAYER", "DEFAULTS"):
        return None
    if len(head) == 1 and tokens[at].type not in NAMES and (tokens[at].type != "COLON" or at - begin == 2):
        return *UNFINISHED[head[0].type], at - 1, at
    if len(head) < 2 or head[1].type not in NAMES:
        return None
    last, token, name = head[-1], tokens[at], _plain(head[1])
    if head[0].type == "DEFAULTS":
        resume = at + 2 if token.type in WORDS else at
        return f"defaults {name} has no braces", f"write defaults {name} {{ ... }}", at - 1, resume
    if len(head) == 2:
        return f"layer {name} has no type", f"write layer {name}: TYPE(...)", at - 1, at
    if last.type == "ARROW":
        return f"expected a name after '->', found {_show(token)}", "name the top of the layer", at, at
    if last.type == "COMMA":
        return f"expected a name after ',', found {_show(token)}", "", at, at
    if any(one.type == "LPAR" for one in head) and not any(one.type == "RPAR" for one in head):
        if last.type in NAMES and token.type in NAMES:
            return f"expected ',' or ')' after {_show(last)}, found {_show(token)}", "", at, at
        return f"expected the name of a bottom of layer {name}, found {_show(token)}", "", at, at
    if token.type in NAMES and len(head) == 4:
        return f"unexpected {_show(token)}", f"bottoms belong in ( ): {_plain(last)}({_plain(token)})", at, at
    if token.type == "MINUS":
        return "unexpected '-'", "an arrow is written ->", at, at
    return f"unexpected {_show(token)} in layer {name}", "write layer NAME: TYPE(bottoms) -> tops { ... }", at, at


def _in_list(tokens: list[Token], at: int) -> Clue:
    """Between square brackets."""
    depth = 0
    for index in range(at - 1, max(-1, at - 100), -1):
        kind = tokens[index].type
        if kind in ("RSQB", "RBRACE", "MORETHAN", "RPAR"):
            depth += 1
        elif kind in ("LSQB", "LPAR", *BLOCK):
            if depth == 0:
                if kind != "LSQB":
                    return None
                break
            depth -= 1
    else:
        return None
    last = tokens[at - 1]
    if last.type in ("LSQB", "COMMA"):
        return f"expected a value, found {_show(tokens[at])}", "", at, at
    return f"expected ',' or ']' after {_show(last)}, found {_show(tokens[at])}", "", at, at


def _no_colon(tokens: list[Token], at: int) -> Clue:
    """`kernel_size 3`."""
    token = tokens[at]
    if at and tokens[at - 1].type in WORDS and (at < 2 or tokens[at - 2].type not in ("COLON", "MINUS", "PLUS")):
        word = _plain(tokens[at - 1])
        if token.type in VALUES:
            if starts_statement(tokens, at):
                return f"{word} has no value", f"write {word}: ...", at - 1, at
            return f"expected ':' after {word}, found {_show(token)}", f"write {word}: {_plain(token)}", at, at
        if token.type in ("RBRACE", "MORETHAN", "COMMA", "SEMICOLON", END):
            text = UNFINISHED.get(tokens[at - 1].type, (f"{word} has no value", f"write {word}: ..."))
            return *text, at - 1, at
    return None


CLUES = (
    _no_file,
    _remove_what,
    _misspelt_layer,
    _no_layer,
    _no_value,
    _no_number,
    _after_layer,
    _in_list,
    _no_colon,
    _two_colons,
)


def _wanted(tokens: list[Token], at: int) -> str:
    """The hint when no clue fits."""
    token = tokens[at]
    before = tokens[at - 1] if at else None
    if token.type == "NUMBER" and before is not None and before.type == "COMMA" and tokens[at - 2].type == "NUMBER":
        return f"a number is written with a point, {tokens[at - 2].text}.{_plain(token)}; several values are in [ ]"
    if token.type == "ARROW" and before is not None and before.type == "RBRACE":
        return "tops belong before the braces of a layer"
    if token.type == "STRING" and before is not None and before.type in ("NUMBER", "NAME"):
        return "is a field's name missing before it?"
    if token.type in ("NUMBER", "STRING"):
        return "a value needs a field's name and a colon before it"
    if token.type == "LSQB" and at + 1 < len(tokens) and tokens[at + 1].type == "NAME":
        return "extensions of other schemas are unknown"
    if token.type in ("COMMA", "SEMICOLON"):
        return "one separator is enough"
    if token.type == "LBRACE" and at == 0:
        return "this looks like JSON; a network is a list of fields, without braces around it"
    if token.type == "MINUS" and tokens[at + 1].type in WORDS:
        return "this looks like YAML; a network is written as name: value and layer { ... }"
    return ""


def _plain(token: Token) -> str:
    return excerpt(token.text, 40)


def _show(token: Token) -> str:
    return "the end of the file" if token.type == END else _plain(token) if token.type == "STRING" else f"'{_plain(token)}'"


def _position(source: Source, token: Token) -> Position:
    return source.position(token.start, token.end)
