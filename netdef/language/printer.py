"""Print messages in protobuf's text format, which the language parses back to the same message."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor
from google.protobuf.message import Message

from netdef.language.kept import KEPT, at, keeps
from netdef.schema import is_repeated

_Field = descriptor.FieldDescriptor
_ESCAPED = {ord("\n"): r"\n", ord("\r"): r"\r", ord("\t"): r"\t", ord('"'): r"\"", ord("\\"): r"\\"}


def print_message(message: Message) -> str:
    """The fields of a message, one in each line, in the order of their numbers but with layers last, as Caffe prints them."""
    return "".join(line + "\n" for line in _lines(message, ""))


def _lines(message: Message, indent: str, path: str = "", keeper: Any = None) -> Iterator[str]:
    """path: of the message inside `keeper`, the message around it that keeps what the schema does not know."""
    if keeps(message):
        path, keeper = "", message
    for field, value in message.ListFields():
        values = value if is_repeated(field) else [value]
        for index, one in enumerate(values):
            if field.name == KEPT and not one.wire:
                continue
            if field.type == _Field.TYPE_MESSAGE:
                yield f"{indent}{field.name} {{"
                inner = f"{field.name}[{index}]" if is_repeated(field) else field.name
                yield from _lines(one, indent + "  ", f"{path}.{inner}" if path else inner, keeper)
                yield f"{indent}}}"
            else:
                yield f"{indent}{field.name}: {print_value(field, one)}"
    yield from (f"{indent}{one.text}" for one in at(keeper, path) if one.text)


def print_value(field: Any, value: Any) -> str:
    """One value of a field: an enum by name, a float as short as possible, a string in quotes."""
    if field.type == _Field.TYPE_ENUM:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else str(value)
    if field.type == _Field.TYPE_STRING:
        return print_text(value)
    if field.type == _Field.TYPE_BYTES:
        return _raw(value)
    if field.type == _Field.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == _Field.TYPE_FLOAT:
        return print_float(value)
    if field.type == _Field.TYPE_DOUBLE:
        return _plain(repr(value))
    return str(value)


def print_float(value: float) -> str:
    """The shortest decimal number that single precision rounds to the same value."""
    if math.isnan(value) or math.isinf(value):
        return repr(value)
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            break
    return _plain(text)


def _plain(text: str) -> str:
    """Without a fraction of zero or an exponent's padding: 1, not 1.0; 1e-5, not 1e-05."""
    mantissa, e, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def print_text(text: str) -> str:
    """A string in quotes; characters that are not printable are escaped."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return _raw(data)
    made = (_ESCAPED.get(ord(c)) or (c if c.isprintable() else _raw(c.encode())[1:-1]) for c in text)
    return f'"{"".join(made)}"'


def _raw(data: bytes) -> str:
    """Bytes in quotes; those that are not ASCII are octal escapes."""
    made = (_ESCAPED.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in data)
    return f'"{"".join(made)}"'
