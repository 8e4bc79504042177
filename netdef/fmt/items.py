"""The statements of a file, each with the comments that describe it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from netdef.language.kept import scalar_text
from netdef.language.nodes import Block, Defaults, Field, Include, Layer, List, Remove, Scalar, Statement, Value
from netdef.language.printer import print_text
from netdef.schema import NO_TOPS

NAME = re.compile(r"\w(?:[\w/.]|-(?!>))*")  # as in grammar.lark; a number is a name as well


@dataclass
class Head:
    """What stands before the braces of a layer in one line, or of defaults (word "defaults")."""

    word: str
    type: str
    name: str = ""
    phase: str = ""
    bottoms: list[str] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)  # none: one called like the layer

    def pieces(self) -> list[str]:
        """What stands between the points where a line may end."""
        if self.word == "defaults":
            return [f"defaults {named(self.type)}"]
        phase = f"{self.phase} " if self.phase else ""
        bottoms = _enclosed("(", map(named, self.bottoms), ")") if self.bottoms else [""]
        implied = not self.tops or (self.tops == [self.name] and self.type not in NO_TOPS)
        tops = [] if implied else _enclosed("-> ", map(named, self.tops), "")
        return [f"{phase}layer {named(self.name)}: {named(self.type)}{bottoms[0]}", *bottoms[1:], *tops]


@dataclass(eq=False)
class Item:
    """A statement, or a value inside one.

    Attributes
    ----------
    name: of a field. text: of its value, or of a whole statement that has no name. values: of a field that is a list.
    body: what stands in its braces. head: of a layer in one line.
    above: lines before it, each a comment or empty. beside: the comment behind it. opened: the one behind its opening brace.
    inside: lines before its closing brace.
    start, end, open: offsets in the text, `open` past the brace.
    key: what the binder knows it by: the end of a scalar or of the first in a list, the start of a message.
    """

    name: str = ""
    text: str = ""
    values: list[str] | None = None
    body: list[Item] | None = None
    head: Head | None = None
    above: list[str] = field(default_factory=list)
    beside: str = ""
    opened: str = ""
    inside: list[str] = field(default_factory=list)
    start: int = 0
    end: int = 0
    open: int = 0
    key: tuple[str, int] | None = None

    def pieces(self) -> list[str]:
        """The statement without its braces, in pieces between which a line may end."""
        if self.head is not None:
            return self.head.pieces()
        if self.body is not None:
            return [self.name]
        if self.values is not None:
            return _enclosed(f"{self.name}: [", self.values, "]")
        return [f"{self.name}: {self.text}" if self.name else self.text]

    def line(self) -> str:
        """The statement without its braces, on one line."""
        return " ".join(self.pieces())

    @property
    def commented(self) -> bool:
        """Whether there is a comment about it or in it."""
        own = any(self.above) or self.beside or self.opened or self.inside
        return bool(own) or any(item.commented for item in self.body or ())

    def comments(self) -> list[str]:
        """All comments about it and in it, in order."""
        inner = [line for item in self.body or () for line in item.comments()]
        lines = [*self.above, self.opened, *inner, *self.inside, self.beside]
        return [line for line in lines if line]


def _enclosed(before: str, texts: Iterable[str], behind: str) -> list[str]:
    """Texts with a comma behind each but the last, in brackets."""
    *others, last = texts or [""]
    pieces = [*(f"{text}," for text in others), last]
    pieces[0] = before + pieces[0]
    pieces[-1] += behind
    return pieces


def named(text: str) -> str:
    """A name as it stands in a head: in quotes only if it has to."""
    if NAME.fullmatch(text):
        return text
    return print_text(text)


def unquoted(scalar: Scalar) -> str:
    """The name that a scalar stands for, its escapes resolved."""
    from netdef.language.scalars import convert
    from netdef.language.vocabulary import fields

    return scalar.text if scalar.pieces is None else convert(fields("LayerParameter")["name"], scalar)


def items_of(statements: list[Statement]) -> list[Item]:
    """The statements as they stand, without comments."""
    return [item for statement in statements for item in _items(statement)]


def _items(statement: Statement) -> list[Item]:
    if isinstance(statement, Field):
        return _field(statement)
    if isinstance(statement, Layer):
        head = Head(
            "layer",
            unquoted(statement.type),
            unquoted(statement.name),
            statement.phase.text if statement.phase else "",
            [unquoted(one) for one in statement.bottoms or ()],
            [unquoted(one) for one in statement.tops or ()],
        )
        last = (statement.tops or statement.bottoms or [statement.type])[-1]
        body = statement.body
        made = Item(head=head, start=statement.start, end=body.end if body else last.end, key=("message", statement.name.start))
        if body is not None:
            made.body, made.open = items_of(body.statements), body.start + 1
        return [made]
    if isinstance(statement, Defaults):
        head = Head("defaults", unquoted(statement.type))
        block = statement.body
        return [Item(head=head, body=items_of(block.statements), start=statement.start, end=block.end, open=block.start + 1)]
    if isinstance(statement, Include):
        return [Item(text=f"include {scalar_text(statement.file)}", start=statement.start, end=statement.file.end)]
    assert isinstance(statement, Remove)
    phase = f"{statement.phase.text} " if statement.phase else ""
    text = f"{statement.word} {phase}layer {named(unquoted(statement.name))}"
    return [Item(text=text, start=statement.start, end=statement.name.end)]


def _field(statement: Field) -> list[Item]:
    value = statement.value
    if isinstance(value, List) and value.items and not any(isinstance(item, Scalar) for item in value.items):
        items = [_valued(statement.name, item.start, item) for item in value.items]  # { }, { } are as many fields
        items[0].start = statement.start
        items[-1].end = value.end
        return items
    return [_valued(statement.name, statement.start, value)]


def _valued(name: str, start: int, value: Value) -> Item:
    if isinstance(value, Block):
        body = items_of(value.statements)
        return Item(name, body=body, start=start, end=value.end, open=value.start + 1, key=("message", start))
    if isinstance(value, List):
        values = [scalar_text(item) for item in value.items if isinstance(item, Scalar)]
        key = ("scalar", value.items[0].end) if value.items else None
        return Item(name, values=values, start=start, end=value.end, key=key)
    return Item(name, scalar_text(value), start=start, end=value.end, key=("scalar", value.end))
