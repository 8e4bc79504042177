"""Nodes of a parsed text: statements with their offsets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Token:
    """A token of the lexer; `type` is the terminal's name in the grammar."""

    type: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(slots=True, eq=False)
class Scalar:
    """A number, a word or a string. `text` is as written: with its sign, or with its quotes for a string of one piece."""

    type: str  # NUMBER, NAME or STRING
    text: str
    start: int
    end: int
    pieces: list[Token] | None = None  # of a string

    @property
    def name(self) -> str:
        """Its text as a name: the contents of a string, otherwise the word itself."""
        return "".join(piece.text[1:-1] for piece in self.pieces) if self.pieces else self.text


@dataclass(slots=True, eq=False)
class Block:
    """Statements in braces."""

    statements: list[Statement]
    start: int
    end: int


@dataclass(slots=True, eq=False)
class List:
    """Values in brackets."""

    items: list[Value]
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Field:
    """`name: value`, `name { }` or `name [ ]`."""

    name: str
    start: int
    value: Value


@dataclass(slots=True, eq=False)
class Layer:
    """`train layer name: type(bottoms) -> tops { body }`. `tops` is None if there is no arrow."""

    start: int
    name: Scalar
    type: Scalar
    phase: Token | None = None
    bottoms: list[Scalar] | None = None
    tops: list[Scalar] | None = None
    body: Block | None = None


@dataclass(slots=True, eq=False)
class Defaults:
    """`defaults type { body }`."""

    start: int
    type: Scalar
    body: Block


@dataclass(slots=True, eq=False)
class Include:
    """`include "file"`."""

    start: int
    file: Scalar


@dataclass(slots=True, eq=False)
class Remove:
    """`remove layer name`, `remove train layer name`, `bypass layer name`."""

    start: int
    word: str  # remove or bypass
    name: Scalar
    phase: Token | None = None


Value = Scalar | Block | List
Statement = Field | Layer | Defaults | Include | Remove


def shift(statements: list[Statement], by: int) -> None:
    """Add `by` to all offsets. Recursion is as deep as blocks nest, which the parser limits."""
    for statement in statements:
        statement.start += by
        if isinstance(statement, Field):
            _shift_value(statement.value, by)
        elif isinstance(statement, Layer):
            names = [statement.name, statement.type, *(statement.bottoms or ()), *(statement.tops or ())]
            for name in names:
                _shift_value(name, by)
            if statement.phase is not None:
                statement.phase.start += by
            if statement.body is not None:
                _shift_value(statement.body, by)
        elif isinstance(statement, Defaults):
            _shift_value(statement.type, by)
            _shift_value(statement.body, by)
        elif isinstance(statement, Include):
            _shift_value(statement.file, by)
        else:
            _shift_value(statement.name, by)
            if statement.phase is not None:
                statement.phase.start += by


def _shift_value(value: Value, by: int) -> None:
    value.start += by
    value.end += by
    if isinstance(value, Block):
        shift(value.statements, by)
    elif isinstance(value, List):
        for item in value.items:
            _shift_value(item, by)
    else:
        for piece in value.pieces or ():
            piece.start += by
