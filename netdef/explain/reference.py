"""Layer types, messages and fields as plain data, from the schema and the documentation of layers."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from netdef.language.printer import print_float, print_value
from netdef.layers import LAYERS
from netdef.schema import LAYER_TYPES, descriptor_of, documentation, is_repeated
from netdef.schema.filler_types import FIRST_VALUES

Devices = Mapping[str, Collection[str]]  # the devices that run each layer type
WIDTH = 110  # columns where no terminal says otherwise
NARROWEST = 20  # columns of a text at least
COMMON = "LayerParameter"  # the message with the fields that every layer may have
_KINDS = {
    "int32": "integer", "int64": "integer", "uint32": "integer", "uint64": "integer", "float": "number", "double": "number",
    "bool": "true or false", "string": "text", "bytes": "bytes",
}  # fmt: skip
_MANY = {"integer": "integers", "number": "numbers", "text": "texts", "word": "words"}
_SENTENCE = re.compile(r"(?<!et al)\.(?=\s|$)")
_DEFAULT = re.compile(r"\s*Default: (.+?)\.(?=\s|$)")


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes
    ----------
    message: the message it belongs to. kind: of its value, in words; a repeated field takes several.
    default: "" where there is none.
    values: of an enum, with what each means. fields_of: the message that it holds, "" for a scalar.
    """

    message: str
    name: str
    kind: str
    default: str
    about: str
    values: tuple[tuple[str, str], ...] = ()
    fields_of: str = ""


@dataclass(frozen=True)
class LayerType:
    """A layer type.

    Attributes
    ----------
    family: the title of its file.
    about: what it computes, with the formula.
    bottoms, tops: (fewest, most), most None for no limit.
    messages: the messages that hold its settings, its own first.
    """

    name: str
    family: str
    about: str
    bottoms: tuple[int, int | None]
    tops: tuple[int, int | None]
    messages: tuple[str, ...]

    @property
    def line(self) -> str:
        """The first sentence about it."""
        return _SENTENCE.split(" ".join(self.about.split()), maxsplit=1)[0]


def layer_type(name: str) -> LayerType:
    """The layer type of that name. Raises KeyError if there is none."""
    family = LAYERS[name]
    own = next((base for base in family.__mro__ if base.__dict__.get("__doc__")), family)
    return LayerType(
        name=name,
        family=(sys.modules[family.__module__].__doc__ or "").strip().rstrip("."),
        about=inspect.cleandoc(own.__doc__ or ""),
        bottoms=family.bottoms_allowed,
        tops=family.tops_allowed,
        messages=tuple(_message_of(field) for field in LAYER_TYPES[name]),
    )


def running(name: str, devices: Devices) -> list[str]:
    """The devices that can run a layer type."""
    return sorted(devices.get(name, ()))


def fields(message: str) -> list[Field]:
    """The fields of a message, in the order of the schema. Raises KeyError if there is no such message."""
    return list(_fields(message))


@cache
def _fields(message: str) -> tuple[Field, ...]:
    return tuple(_field(found) for found in sorted(descriptor_of(message).fields, key=lambda found: found.index))


def held_fields(holder: Field) -> list[Field]:
    """The fields of the message that a field holds, with the defaults that they have there."""
    found = fields(holder.fields_of)
    first = FIRST_VALUES.get(f"{holder.message}.{holder.name}")
    if first is None:
        return found
    return [replace(one, default=print_float(first)) if one.name == "value" else one for one in found]


def fields_in(topic: str, message: str) -> list[Field]:
    """The fields of a message, with the defaults that they have where it stands: Scale.filler, layer.scale_param.filler."""
    *_, parent, name = ("", *topic.split("."))
    held = {one.name: one.fields_of for one in fields(COMMON)}.get(parent)
    holders = own_fields(parent) if parent in LAYERS else fields(held) if held else []
    found = next((one for one in holders if one.name == name and one.fields_of == message), None)
    return held_fields(found) if found else fields(message)


def own_fields(name: str) -> list[Field]:
    """The settings of a layer type, in the braces of a layer in one line."""
    return [field for message in layer_type(name).messages for field in fields(message)]


def common_fields() -> list[Field]:
    """The fields of every layer: those of LayerParameter without the messages of layer types."""
    settings = {field for names in LAYER_TYPES.values() for field in names}
    return [field for field in fields(COMMON) if field.name not in settings]


def _message_of(layer_field: str) -> str:
    return next(found.fields_of for found in fields(COMMON) if found.name == layer_field)


def _field(found: Any) -> Field:
    message = found.containing_type.name
    about = documentation(f"{message}.{found.name}")
    default_sentence = _DEFAULT.search(about)
    default = default_sentence[1] if default_sentence else ""
    if not default_sentence and found.has_default_value:
        default = print_value(found, found.default_value)
    values: tuple[tuple[str, str], ...] = ()
    holds = found.message_type.name if found.message_type is not None else ""
    if found.enum_type is not None:
        kind = "word"
        prefix = found.enum_type.full_name.removeprefix(found.enum_type.file.package + ".")
        values = tuple((value.name, documentation(f"{prefix}.{value.name}")) for value in found.enum_type.values)
    else:
        kind = f"{holds} {{ }}" if holds else _KINDS[_type_name(found)]
    if is_repeated(found):
        kind = _MANY.get(kind, f"{kind}, several")
    return Field(message, found.name, kind, default, _DEFAULT.sub("", about).strip(), values, holds)


def _type_name(found: Any) -> str:
    names = {getattr(found, f"TYPE_{name.upper()}"): name for name in _KINDS}
    return names[found.type]
