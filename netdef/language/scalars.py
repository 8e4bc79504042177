"""Convert a number, a word or a string to the value of a field."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any

from netdef.language.nodes import Scalar
from netdef.language.source import excerpt
from netdef.language.spelling import did_you_mean
from netdef.language.vocabulary import FieldInfo

_TRUE, _FALSE = {"true", "True", "t", "1"}, {"false", "False", "f", "0"}
_SYNONYMS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)


class MisfitError(Exception):
    """A value that does not fit its field. `offset`: of the error, if it is not the whole value."""

    def __init__(self, message: str, hint: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.offset = message, hint, offset


def convert(info: FieldInfo, value: Scalar) -> Any:
    """The value of a field, for protobuf. Raises MisfitError."""
    return _CONVERT[info.kind](info, value)


def _integer(info: FieldInfo, value: Scalar) -> int:
    text = value.text
    if value.type != "NUMBER":
        raise MisfitError(f"{info.name} takes an integer, not {_shown(value)}", _unquoted(info, value))
    body = text.lstrip("+-")
    try:
        if body[:1] == "0" and body.isdecimal() and len(body) > 1:
            number = int(body, 8)
        else:
            number = int(body, 16 if body[:2] in ("0x", "0X") else 10)
    except ValueError:
        raise MisfitError(f"{info.name} takes an integer, not {_shown(value)}", _whole(info, body)) from None
    if text[0] == "-":
        number = -number
    if info.low <= number <= info.high:
        return number
    if info.low == 0 and number < 0:
        raise MisfitError(f"{info.name} cannot be negative: {_shown(value)}")
    off = "large" if number > info.high else "small"
    raise MisfitError(f"{_shown(value)} is too {off} for {info.name}, whose range is {info.low} to {info.high}")


def _whole(info: FieldInfo, body: str) -> str:
    """A hint for a number that is not an integer."""
    if body.isdecimal():
        return f"a number that starts with 0 is octal: write {excerpt(body.lstrip('0'))}" if body[0] == "0" else ""
    number = _float_of(body)
    if number is not None and number.is_integer() and abs(number) <= info.high:
        return f"write {info.name}: {int(number)}"
    return ""


def _float(info: FieldInfo, value: Scalar) -> float:
    if value.type == "STRING":
        raise MisfitError(f"{info.name} takes a number, not a string", _unquoted(info, value))
    sign = -1.0 if value.text[0] == "-" else 1.0
    body = value.text.lstrip("+-")
    if value.type == "NAME":
        number = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}.get(body.lower())
        if number is None:
            raise MisfitError(f"{info.name} takes a number, not {_shown(value)}")
    else:
        number = _float_of(body)
        if number is None:
            raise MisfitError(f"{info.name} takes a decimal number, not {_shown(value)}")
    return sign * number


def _float_of(body: str) -> float | None:
    """A decimal number without its sign; a trailing f is allowed."""
    if body[:2] in ("0x", "0X") or (body[:1] == "0" and body[1:].isdecimal() and body[1:]):
        return None
    try:
        return float(body.rstrip("fF"))
    except ValueError:
        return None


def nearest_float32(number: float) -> float:
    """A number rounded to single precision; infinite if it is too large for it."""
    try:
        return struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)


def _bool(info: FieldInfo, value: Scalar) -> bool:
    if value.type != "STRING":
        if value.text in _TRUE:
            return True
        if value.text in _FALSE:
            return False
        if value.type == "NUMBER" and re.fullmatch(r"0[xX]0*[01]|0+[01]?", value.text):
            return value.text[-1] == "1"
    word = _SYNONYMS.get(value.name.lower()) or (value.name.lower() if value.name.lower() in ("true", "false") else "")
    raise MisfitError(f"{info.name} takes true or false, not {_shown(value)}", f"write {info.name}: {word}" if word else "")


def _enum(info: FieldInfo, value: Scalar) -> int:
    names = info.names or {}
    choices = f"it is one of {', '.join(names)}" if len(names) <= 8 else ""
    if value.type == "NUMBER":
        if re.fullmatch(r"[+-]?[0-9]{1,18}", value.text) and int(value.text) in names.values():
            return int(value.text)
        raise MisfitError(f"{info.name} has no value {_shown(value)}", choices)
    if value.type == "NAME" and value.text in names:
        return names[value.text]
    if value.name in names:
        raise MisfitError(f"{info.name} takes a word, not a string", f"write {info.name}: {value.name}, without quotes")
    raise MisfitError(f"{info.name} has no value {_shown(value)}", did_you_mean(value.name, names) or choices)


def _string(info: FieldInfo, value: Scalar) -> str:
    data = _bytes(info, value)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MisfitError(f"{info.name} takes a string in UTF-8; the escapes in this one make other bytes") from None


def _bytes(info: FieldInfo, value: Scalar) -> bytes:
    if value.pieces is None:
        raise MisfitError(f"{info.name} takes a string, not {_shown(value)}", f'write {info.name}: "{excerpt(value.text)}"')
    return b"".join(_unescaped(piece.text[1:-1], piece.start + 1) for piece in value.pieces)


def _unescaped(text: str, start: int) -> bytes:
    """The bytes of a string, escapes replaced."""
    if "\\" not in text:
        return text.encode("utf-8", "surrogatepass")
    made = bytearray()
    at = 0
    for match in _ESCAPE.finditer(text):
        made += text[at : match.start()].encode("utf-8", "surrogatepass")
        made += _escape(match, start)
        at = match.end()
    return bytes(made + text[at:].encode("utf-8", "surrogatepass"))


def _escape(match: re.Match[str], start: int) -> bytes:
    octal, byte, short, long, letter = match.groups()
    if letter is not None:
        if letter not in _SIMPLE:
            hint = r"write \\ for a backslash" + (", or / in a path" if letter.isalnum() else "")
            raise MisfitError(f"\\{letter} is not an escape in a string", hint, start + match.start())
        return bytes([_SIMPLE[letter]])
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if byte is not None:
        return bytes([int(byte, 16)])
    number = int(short or long, 16)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise MisfitError(f"{match[0]} is not a character", offset=start + match.start())
    return chr(number).encode()


def _unquoted(info: FieldInfo, value: Scalar) -> str:
    """The hint to drop the quotes around a number."""
    if value.type != "STRING":
        return ""
    number = re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", value.name.strip())
    return f"write {info.name}: {value.name.strip()}, without quotes" if number else ""


def _shown(value: Scalar) -> str:
    text = value.text if value.pieces is None or len(value.pieces) == 1 else f'"{value.name}"'
    return excerpt(text)


_CONVERT: dict[str, Callable[[FieldInfo, Scalar], Any]] = {
    "integer": _integer,
    "float": _float,
    "bool": _bool,
    "enum": _enum,
    "string": _string,
    "bytes": _bytes,
}
