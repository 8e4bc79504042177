"""Inputs from other inputs: bytes, and what knows the structure of protobuf messages, JSON and lines of words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from netdef.weights import wire

Mutation = Callable[[random.Random, bytes], bytes]
NUMBERS = [0, 1, 2, 127, 128, 255, 256, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]
WORDS = ["", "0", "-1", "1e400", "nan", "99999999999999999999", "x", "/", "..", "é", "\x1b[31m", "\u202e", "\0", "a b", "'", '"']
VALUES: list[Any] = [None, True, 0, -1, 1.5, 1e308, 1 << 70, "", "x", "\ud800", [], {}, [[]], {"": {}}, float("nan"), float("inf")]
DEEPEST = 6  # messages inside messages that are looked into


def of_bytes(draw: random.Random, data: bytes) -> bytes:
    """A few bytes overwritten, removed, repeated or cut off."""
    made = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 8])):
        at, what = draw.randrange(len(made) + 1), draw.randrange(7)
        if what < 2 and at < len(made):
            made[at] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, made[at] ^ 1 << draw.randrange(8)])
        elif what == 2:
            made[at : at + 4] = draw.choice(NUMBERS).to_bytes(8, draw.choice(["little", "big"]))[:4]
        elif what == 3:
            made[at : at + 8] = draw.randbytes(8)
        elif what == 4:
            del made[at : at + draw.choice([1, 2, 16, 200])]
        elif what == 5:
            piece = made[at : at + draw.choice([1, 4, 30, 200])]
            made[at:at] = piece * draw.choice([1, 1, 3])
        else:
            del made[at:]
    return bytes(made)


def of_head(draw: random.Random, data: bytes) -> bytes:
    """Bytes of the first 2 KiB, where HDF5 and images keep their structure."""
    return of_bytes(draw, data[:2048]) + data[2048:] if draw.random() < 0.7 else of_bytes(draw, data)


def of_message(draw: random.Random, data: bytes, depth: int = 0) -> bytes:
    """A field of a protobuf message, or of one inside it, changed, removed, doubled or moved; lengths fit again afterwards."""
    if draw.random() < (0.15 if depth == 0 else 0.05):
        return of_bytes(draw, data)
    try:
        fields = list(wire.fields(memoryview(data)))
    except wire.MalformedError:
        return of_bytes(draw, data)
    if not fields:
        return data + field(draw.randrange(1, 200), draw.choice(NUMBERS))
    at, what = draw.randrange(len(fields)), draw.randrange(8)
    number, kind, value = fields[at]
    made = [field(one, inner if isinstance(inner, int) else bytes(inner), form) for one, form, inner in fields]
    if what == 0:
        del made[at]
    elif what == 1:
        made.insert(draw.randrange(len(made) + 1), made[at] * draw.choice([1, 1, 2, 50]))
    elif what == 2:
        made[at] = field(
            draw.choice([1, 2, 7, 8, 100, draw.randrange(1, 2000)]), value if isinstance(value, int) else bytes(value), kind
        )
    elif isinstance(value, int):
        made[at] = field(number, draw.choice([*NUMBERS, value + 1, max(0, value - 1)]))
    elif what == 3:
        made[at] = field(number, draw.choice(NUMBERS))  # a number where bytes were
    elif kind == wire.BYTES and depth < DEEPEST:
        made[at] = field(number, of_message(draw, bytes(value), depth + 1))
    else:
        made[at] = field(number, of_bytes(draw, bytes(value)), kind)
    return b"".join(made)


def field(number: int, value: int | bytes, kind: int | None = None) -> bytes:
    """A field of a message."""
    if isinstance(value, int):
        return wire.key(number, wire.VARINT) + wire.varint(value)
    if kind in (wire.FIXED32, wire.FIXED64):
        return wire.key(number, kind) + value
    return wire.prefix(number, len(value)) + value


def of_json(draw: random.Random, data: bytes) -> bytes:
    """A value in lines of JSON, or in one text, replaced, removed or nested."""
    try:
        lines = [json.loads(line) for line in data.splitlines()]
    except ValueError:
        try:
            lines = [json.loads(data)]
        except ValueError:
            return of_bytes(draw, data)
    if not lines or draw.random() < 0.2:
        return of_bytes(draw, data)
    lines[draw.randrange(len(lines))] = _changed(draw, lines[draw.randrange(len(lines))])
    return "\n".join(json.dumps(line) for line in lines).encode("utf-8", "surrogatepass")


def _changed(draw: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(sorted(value))
        if draw.random() < 0.15:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw.random() < 0.85:
        at = draw.randrange(len(value))
        return [*value[:at], _changed(draw, value[at]), *value[at + 1 :]]
    return draw.choice([*VALUES, value, [value], {"x": value}, 100 * [value] if draw.random() < 0.1 else value])


def of_lines(draw: random.Random, data: bytes) -> bytes:
    """A word or a line of a text replaced, removed, doubled."""
    if draw.random() < 0.2:
        return of_bytes(draw, data)
    lines = data.split(b"\n")
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(len(lines))
        words = lines[at].split(b" ")
        what = draw.randrange(5)
        if what == 0:
            lines[at] = b""
        elif what == 1:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif what == 2:
            words.insert(draw.randrange(len(words) + 1), draw.choice(WORDS).encode())
        elif what == 3:
            words[draw.randrange(len(words))] = draw.choice(WORDS).encode()
        else:
            words[draw.randrange(len(words))] = str(draw.choice(NUMBERS)).encode()
        if what >= 2:
            lines[at] = b" ".join(words)
    return draw.choice([b"\n", b"\n", b"\n", b"\r\n"]).join(lines)
