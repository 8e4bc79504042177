"""Fields that the schema does not know, as text: kept in messages, and put back where they stood."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from netdef.language.nodes import Block, Field, List, Scalar, Statement, Token, Value
from netdef.language.scope import Scope
from netdef.language.spelling import misspelt
from netdef.language.vocabulary import FieldInfo
from netdef.schema.fork_numbers import messages_in, unknown_fields
from netdef.schema.layer_types import LAYER_TYPES
from netdef.schema.origins import Origins

KEPT = "kept"  # the field of a message that holds them


class Unknowns:
    """The messages around the one that is being read which keep what is unknown, and the path from each to that one."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._around: list[tuple[Any, Origins, int]] = []

    @contextmanager
    def of(self, message: Any, origins: Origins) -> Iterator[None]:
        """Inside, `message` is read: it keeps what is unknown if it can."""
        if not keeps(message):
            yield
            return
        self._around.append((message, origins, len(self._path)))
        yield
        self._around.pop()
        put_in_order(message, origins)

    @contextmanager
    def inside(self, field: str) -> Iterator[None]:
        """Inside, the message in a field is read."""
        self._path.append(field)
        yield
        self._path.pop()

    def keep(self, statement: Field) -> bool:
        """Keep a field as text in the message around it that can; whether there is one."""
        if not self._around:
            return False
        message, origins, start = self._around[-1]
        span = statement.start, statement.start + len(statement.name)
        spans: Any = origins.fields.setdefault(KEPT, [])
        for text in statement_texts(statement):
            message.kept.add(at=".".join(self._path[start:]) or None, name=statement.name, text=text)
            spans.append(span)
        return True


def put_in_order(message: Any, origins: Origins) -> None:
    """Sort what is kept by paths and names, so that its order in the file makes no difference."""
    names = [(one.at, one.name) for one in message.kept]
    if names == sorted(names):
        return
    order = sorted(range(len(names)), key=names.__getitem__)
    spans: Any = origins.fields.get(KEPT)
    copies = [copy(message.kept[index]) for index in order]
    del message.kept[:]
    message.kept.extend(copies)
    if isinstance(spans, list) and len(spans) == len(order):
        spans[:] = [spans[index] for index in order]


def is_word_of_a_fork(info: FieldInfo, value: Scalar, scope: Scope) -> bool:
    """Whether a word that a field does not know may be one of a fork's: an engine, or a type of the older format."""
    if value.type != "NAME" or not info.names or value.name in LAYER_TYPES or misspelt(value.name, info.names):
        return False
    return info.name == "engine" or (info.name == "type" and scope.message == "V1LayerParameter")


def merge_kept(message: Any, origins: Origins, below: Iterable[Any], spans: Any) -> None:
    """Give a layer the unknown fields that its defaults have and it lacks."""
    own = {(one.at, one.name) for one in message.kept}
    for one, span in zip(below, spans, strict=True):
        if (one.at, one.name) not in own:
            message.kept.append(one)
            origins.fields.setdefault(KEPT, []).append(span)  # type: ignore[union-attr]
    put_in_order(message, origins)


def keeps(message: Any) -> bool:
    """Whether a message has room for fields that the schema does not know."""
    return KEPT in message.DESCRIPTOR.fields_by_name


def at(keeper: Any, path: str) -> list[Any]:
    """What is kept of the message at a path inside the one that keeps it."""
    return [one for one in keeper.kept if one.at == path] if keeper is not None else []


def statement_texts(statement: Statement) -> list[str]:
    """A field on one line, without comments; one text for each value of a list."""
    assert isinstance(statement, Field)
    values = statement.value.items if isinstance(statement.value, List) else [statement.value]
    return [f"{statement.name}{' ' if isinstance(one, Block) else ': '}{_value_text(one)}" for one in values]


def _value_text(value: Value) -> str:
    if isinstance(value, Block):
        fields = sorted((one for one in value.statements if isinstance(one, Field)), key=lambda one: one.name)
        inner = " ".join(text for one in fields for text in statement_texts(one))
        return f"{{ {inner} }}" if inner else "{ }"
    if isinstance(value, List):
        return f"[{', '.join(map(_value_text, value.items))}]"
    return scalar_text(value)


def scalar_text(scalar: Scalar) -> str:
    """A value in its canonical form: strings in double quotes, all else as it is written."""
    if scalar.pieces is None:
        return scalar.text
    return " ".join(_double(piece) for piece in scalar.pieces)


def _double(piece: Token) -> str:
    if piece.text[0] == '"':
        return piece.text
    inner = re.sub(r"\\'|\"|\\.", lambda m: {"\\'": "'", '"': '\\"'}.get(m[0], m[0]), piece.text[1:-1])
    return f'"{inner}"'


def value_text(one: Any) -> str:
    """The value of a kept field: its text without its name."""
    return one.text[len(one.name) :].lstrip(": ")


def names(message: Any) -> Iterable[str]:
    """The paths of all fields that are kept of a message, if there is one: convolution_param.foo."""
    for one in message.kept if message is not None else ():
        yield ".".join(filter(None, (one.at, one.name or "fields of a binary file")))


def keep_fields_of_binary(net: Any) -> None:
    """Keep the fields of a binary file that have numbers and no names, so that its text holds them."""
    for keeper in (net, *net.layer):
        found = [(path, data) for message, path in messages_in(keeper) if (data := unknown_fields(message))]
        for path, data in found:
            keeper.kept.add(at=path or None, wire=data)


def restore_fields_of_binary(net: Any) -> None:
    """Put fields that were kept of a binary file back under their numbers."""
    for keeper in (net, *net.layer):
        if not any(one.wire for one in keeper.kept):
            continue
        places = {path: message for message, path in messages_in(keeper)}
        waiting = [one for one in keeper.kept if one.wire and one.at in places]
        others = [copy(one) for one in keeper.kept if not (one.wire and one.at in places)]
        for one in waiting:
            places[one.at].MergeFromString(one.wire)
        del keeper.kept[:]
        keeper.kept.extend(others)


def copy(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())
