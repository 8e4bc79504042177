"""Balance brackets before parsing, and report those that are not closed.

The parser then never meets a misplaced bracket, and can skip a whole block after another error. In a file whose brackets do not
balance, indentation decides which one is missing.
"""

from __future__ import annotations

from netdef.language.diagnostics import Diagnostic, Note
from netdef.language.lexer import END
from netdef.language.nodes import Token
from netdef.language.source import Position, Source, excerpt

CLOSER = {"LBRACE": "RBRACE", "LESSTHAN": "MORETHAN", "LSQB": "RSQB", "LPAR": "RPAR"}
OPENER = {closer: opener for opener, closer in CLOSER.items()}
TEXT = {"RBRACE": "}", "MORETHAN": ">", "RSQB": "]", "RPAR": ")"}
BLOCK = ("LBRACE", "LESSTHAN")
WORDS = frozenset({"NAME", "LAYER", "TRAIN", "TEST", "DEFAULTS", "INCLUDE", "REMOVE", "BYPASS"})
DEEPEST = 100  # levels; protobuf itself reads no deeper

# Tokens that cannot be between parentheses, or between square brackets outside a block.
_NOT_IN_NAMES = frozenset({*BLOCK, "RBRACE", "MORETHAN", "LSQB", "ARROW", "SEMICOLON", "COLON"})
_NOT_IN_VALUES = frozenset({"SEMICOLON", "ARROW", "LPAR", "COLON"})


class Brackets:
    """One pass over the tokens: `tokens` is the balanced list, `diagnostics` the errors of the given one."""

    def __init__(self, source: Source, tokens: list[Token], by_indent: bool = False) -> None:
        self.source = source
        self.given = tokens
        self.by_indent = by_indent
        self.tokens: list[Token] = []
        self.diagnostics: list[Diagnostic] = []
        self.suspect: list[tuple[int, int]] = []  # ranges of text whose nesting is uncertain
        self.open: list[int] = []  # indices of openers in `given`
        self.closed_last: tuple[int, Token] | None = None  # index of an opener, and its closer
        self.closed_nothing = 0  # closers of blocks without an opener
        self.doubled = 0  # openers dropped because another is right before them
        self._indents: dict[int, int] = {}
        for index, token in enumerate(tokens):
            self._take(index, token)

    def _take(self, index: int, token: Token) -> None:
        kind = token.type
        if self.open:
            inner = self.given[self.open[-1]].type
            if inner in ("LPAR", "LSQB") and self._ends_list(index, inner):
                self._not_closed(index)
            if self.by_indent and kind != END:
                while self.open and self._outdented(index):
                    self._not_closed(index)
        if self.by_indent and kind in BLOCK and index and self.given[index - 1].type in BLOCK:
            self.doubled += 1
            self.diagnostics.append(Diagnostic(f"a second '{token.text}'", self._position(token), "remove it"))
            return
        if kind in CLOSER:
            self.open.append(index)
        elif kind in OPENER:
            closer = self._close(index)
            if closer is None:
                return
            token = closer
        elif kind == END:
            while self.open:
                self._not_closed(index)
        self.tokens.append(token)

    def _close(self, index: int) -> Token | None:
        """The closer that replaces the one at `index`; None to drop it."""
        token = self.given[index]
        wanted = OPENER[token.type]
        if not any(self.given[at].type == wanted for at in self.open):
            top = self.given[self.open[-1]] if self.open else None
            if top is not None and top.type in BLOCK and wanted in BLOCK:
                return self._other_kind(token, top)
            return self._closes_nothing(index)
        if self.by_indent and self._is_extra(index):
            self.diagnostics.append(Diagnostic(f"this '{token.text}' is one too many", self._position(token), "remove it"))
            return None
        while self.given[self.open[-1]].type != wanted:
            self._not_closed(index)
        self.closed_last = (self.open.pop(), token)
        return token

    # Errors.

    def _other_kind(self, token: Token, top: Token) -> Token:
        closer = CLOSER[top.type]
        note = Note(f"'{top.text}' was opened here", self._position(top))
        self.diagnostics.append(
            Diagnostic(f"'{token.text}' does not close '{top.text}'", self._position(token), f"write '{TEXT[closer]}'", (note,))
        )
        self.open.pop()
        return Token(closer, "", token.start)

    def _closes_nothing(self, index: int) -> Token | None:
        """Report a closer without an opener; return None to drop it, or the arrow that replaces it."""
        token = self.given[index]
        if self.doubled and token.type in ("RBRACE", "MORETHAN"):
            self.doubled -= 1
            return None
        self.closed_nothing += token.type == "RBRACE"
        notes: tuple[Note, ...] = ()
        hint, instead = "remove it", None
        before = self.given[index - 1] if index else token
        if token.type == "MORETHAN" and (before.type in (*WORDS, "RPAR", "MINUS") or before.text == "="):
            hint, instead = "an arrow is written ->", Token("ARROW", token.text, token.start)
            if before.type not in (*WORDS, "RPAR") and self.tokens[-1] is before:
                self.tokens.pop()
        elif not self.open and self.closed_last is not None:
            opener, last = self.closed_last
            notes = (Note("this one closed the last open bracket", self._position(last)),)
            self.suspect.append((self.given[max(0, opener - 1)].start, token.end))
        message = f"'{token.text}' closes nothing"
        self.diagnostics.append(Diagnostic(message, self._position(token), hint, notes))
        return instead

    def _not_closed(self, index: int) -> None:
        """Close the innermost bracket before token `index`, where its own closer is missing."""
        at = self.open.pop()
        opener, closer = self.given[at], CLOSER[self.given[at].type]
        previous = self.given[index - 1]
        line = self.source.line_number(max(opener.start, previous.end - 1))
        if self.given[index].type == END:
            where = "before the end of the file"
        elif line == self.source.line_number(opener.start):
            where = "on this line"
        else:
            where = f"after line {line}"
        message = f"'{opener.text}'{self._owner(at)} is not closed"
        self.diagnostics.append(Diagnostic(message, self._position(opener), f"a '{TEXT[closer]}' is missing {where}"))
        self.tokens.append(Token(closer, "", previous.end))

    def _owner(self, at: int) -> str:
        """The owner of an opener, as messages name it: " of weight_filler", " of layer conv1"."""
        before = self.given[max(0, at - 40) : at]
        for first in range(len(before) - 1, -1, -1):
            if before[first].type in (*BLOCK, "RBRACE", "MORETHAN"):
                break
            if before[first].type in ("LAYER", "DEFAULTS") and first + 1 < len(before) and before[first + 1].type != "COLON":
                return f" of {before[first].text} {excerpt(before[first + 1].text)}"
        if before and before[-1].type == "COLON":
            before.pop()
        return f" of {excerpt(before[-1].text)}" if before and before[-1].type in WORDS else ""

    def _position(self, token: Token) -> Position:
        return self.source.position(token.start, token.end)

    # Missing closers.

    def _ends_list(self, index: int, inner: str) -> bool:
        """Whether a token cannot be in a list of names or values: the list must have ended before it."""
        kind = self.given[index].type
        if kind not in WORDS:
            return kind in (_NOT_IN_NAMES if inner == "LPAR" else _NOT_IN_VALUES)
        following = self.given[index + 1].type
        if following == "COLON" or (inner == "LSQB" and following in BLOCK):
            return True
        return self._is_first(index) and kind != "NAME" and following in WORDS

    def _is_first(self, index: int) -> bool:
        """Whether a token is the first of its line."""
        before = self.given[index - 1].end if index else 0
        return index == 0 or "\n" in self.source.text[before : self.given[index].start]

    def _indent(self, index: int) -> int:
        """How far the line that holds a token is indented."""
        number = self.source.line_number(self.given[index].start)
        if number not in self._indents:
            line = self.source.line(number)
            self._indents[number] = len(line) - len(line.lstrip())
        return self._indents[number]

    def _is_laid_out(self, at: int) -> bool:
        """Whether a block's contents start on a new line and are indented."""
        return self._is_first(at + 1) and self._indent(at + 1) > self._indent(at)

    def _outdented(self, index: int) -> bool:
        """Whether a token is indented too little to be in the innermost open block."""
        at = self.open[-1]
        if self.given[at].type not in BLOCK or index == at + 1:
            return False
        if not self._is_laid_out(at):
            return self._starts_layer(index) and self._in_layer()
        if not self._is_first(index):
            return False
        indent, limit = self._indent(index), self._indent(at)
        if self.given[index].type in OPENER:
            return indent < limit and any(self._indent(outer) == indent for outer in self.open[:-1])
        return indent <= limit

    def _starts_layer(self, index: int) -> bool:
        token, following = self.given[index], self.given[index + 1].type
        if token.type in ("TRAIN", "TEST"):
            return following == "LAYER"
        if token.type == "DEFAULTS":
            return following == "NAME"
        return (token.type == "LAYER" or token.text == "layers") and following in (*BLOCK, "NAME")

    def _in_layer(self) -> bool:
        """Whether some open block is a layer, or defaults."""
        return any(at and self._owner(at).startswith((" of layer", " of defaults")) for at in self.open)

    def _is_extra(self, index: int) -> bool:
        """Whether a closer is indented more than the line with its opener."""
        at = self.open[-1]
        if self.given[index].type != "RBRACE" or not self._is_first(index) or not self._is_laid_out(at):
            return False
        return self._indent(index) > self._indent(at)


def balance(source: Source, tokens: list[Token]) -> Brackets:
    """The tokens with balanced brackets."""
    found = Brackets(source, tokens)
    if not found.diagnostics:
        return found
    if found.closed_nothing:
        missing = missing_openers(source, tokens)
        if len(missing) == found.closed_nothing:
            return _with_openers(source, tokens, missing)
    guided = Brackets(source, tokens, by_indent=True)
    return guided if len(guided.diagnostics) <= len(found.diagnostics) else found


def missing_openers(source: Source, tokens: list[Token]) -> list[int]:
    """Indices at which a '{' seems to be missing: before a field right after the name of a block or the head of a layer."""
    found = []
    for index in range(1, len(tokens) - 2):
        before, token, after = tokens[index - 1 : index + 2]
        if token.type not in WORDS or after.type not in ("COLON", *BLOCK, "LSQB"):
            continue
        if before.type == "LAYER":
            left_out = token.text in ("name", "type", "bottom", "top") and tokens[index + 2].type == "STRING"
        elif before.type in ("NAME", "INCLUDE", "RPAR") and token.type == "NAME":
            outside = tokens[index - 2].type if index > 1 else END
            ends_head = before.type == "RPAR" or outside in ("ARROW", "COMMA")
            indented = source.text[token.start - 1 : token.start] != "\n"
            left_out = indented if ends_head else outside not in ("COLON", "MINUS", "LAYER", "TRAIN", "TEST")
        else:
            left_out = False
        if left_out:
            found.append(index)
    return found


def _with_openers(source: Source, tokens: list[Token], missing: list[int]) -> Brackets:
    """The tokens with a '{' inserted at some indices, each with an error."""
    whole = list(tokens)
    for index in reversed(missing):
        whole.insert(index, Token("LBRACE", "", tokens[index - 1].end))
    made = Brackets(source, whole)
    for index in missing:
        before = tokens[index - 1]
        hint = f"write {before.text} {{ ... }}" if before.type in WORDS else "settings of a layer belong in braces"
        where = source.position(before.start, before.end)
        made.diagnostics.append(Diagnostic(f"a '{{' is missing after {excerpt(before.text)}", where, hint))
    return made


def too_deep(source: Source, tokens: list[Token]) -> Diagnostic | None:
    """The error of a file that nests deeper than the schema allows; None if it does not."""
    depth = 0
    for token in tokens:
        if token.type in CLOSER:
            depth += 1
            if depth > DEEPEST:
                message = f"brackets nest deeper than {DEEPEST} levels"
                return Diagnostic(message, source.position(token.start), "the schema needs fewer")
        elif token.type in OPENER:
            depth -= 1
    return None
