"""The schema for the binder: the fields of each message, and the values that they take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import descriptor

from netdef import schema
from netdef.language.spelling import misspelt

_Field = descriptor.FieldDescriptor
_INTEGERS = {
    _Field.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    _Field.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    _Field.TYPE_UINT32: (0, (1 << 32) - 1),
    _Field.TYPE_UINT64: (0, (1 << 64) - 1),
}
_KINDS = {
    _Field.TYPE_FLOAT: "float",
    _Field.TYPE_DOUBLE: "float",
    _Field.TYPE_BOOL: "bool",
    _Field.TYPE_ENUM: "enum",
    _Field.TYPE_STRING: "string",
    _Field.TYPE_BYTES: "bytes",
    _Field.TYPE_MESSAGE: "message",
}


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field: its name, the kind of its value, and whether it may be repeated."""

    name: str
    kind: str  # integer, float, bool, enum, string, bytes or message
    repeated: bool
    low: int = 0
    high: int = 0
    names: dict[str, int] | None = None  # of an enum
    message: str = ""  # the name of a message's type


@cache
def fields(message: str) -> dict[str, FieldInfo]:
    """The fields of a message, by name."""
    return {field.name: _info(field) for field in schema.descriptor_of(message).fields}


@cache
def layer_vocabulary(kind: str) -> dict[str, tuple[str, FieldInfo]]:
    """The fields allowed in the braces of a layer of type `kind` in one line, each with the field of LayerParameter that holds it
    ("" for a field of LayerParameter itself). Fields of the type hide those of all layers.
    """
    known = {name: ("", info) for name, info in fields("LayerParameter").items() if name not in HEAD}
    for holder in reversed(schema.layer_fields(kind) or ()):
        known.update((name, (holder, info)) for name, info in fields(fields("LayerParameter")[holder].message).items())
    return known


@cache
def misspelt_type(kind: str) -> str:
    """The layer type that a name is a misspelling of; "" if it is that of a type, or of one that nobody here knows."""
    return "" if kind in schema.LAYER_TYPES else misspelt(kind, schema.LAYER_TYPES) or ""


# Fields in the head of a layer in one line.
HEAD = ("name", "type", "bottom", "top")


def _info(field: Any) -> FieldInfo:
    repeated = schema.is_repeated(field)
    if field.type in _INTEGERS:
        low, high = _INTEGERS[field.type]
        return FieldInfo(field.name, "integer", repeated, low, high)
    names = {value.name: value.number for value in field.enum_type.values} if field.enum_type else None
    message = field.message_type.name if field.message_type else ""
    return FieldInfo(field.name, _KINDS[field.type], repeated, names=names, message=message)
