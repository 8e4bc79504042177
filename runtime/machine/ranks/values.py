"""Values as bytes between ranks: JSON, and behind it the bytes of arrays.  Nothing that is received is run, as pickles would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

PLAIN = (type(None), bool, int, float, str)
NUMBERS = "biuf"  # the kinds of NumPy's types that are sent
LENGTH = 8  # bytes that say how long the JSON is


def packed(value: Any) -> bytes:
    """A value as bytes: numbers, texts, paths, bytes and arrays, and lists, tuples and mappings of those.

    Raises
    ------
    TypeError: it has another type in it.
    """
    buffers: list[bytes] = []
    head = json.dumps(_plain(value, buffers)).encode()
    return b"".join((len(head).to_bytes(LENGTH, "little"), head, *buffers))


def unpacked(message: bytes) -> Any:
    """The value of such bytes.

    Raises
    ------
    ValueError: they are none.
    """
    end = LENGTH + int.from_bytes(message[:LENGTH], "little")
    if len(message) < end:
        raise ValueError("a message is cut short")
    reader = _Reader(message, end)
    value = reader.value(json.loads(message[LENGTH:end]))
    if reader.at != len(message):
        raise ValueError("a message is longer than it says")
    return value


def _plain(value: Any, buffers: list[bytes]) -> Any:
    """A value as JSON has it; what JSON lacks is a mapping of one entry, by its kind."""
    if type(value) in PLAIN:
        return value
    if type(value) is list:
        return [_plain(item, buffers) for item in value]
    if type(value) is tuple:
        return {"tuple": [_plain(item, buffers) for item in value]}
    if type(value) is dict:
        return {"mapping": [[_plain(key, buffers), _plain(item, buffers)] for key, item in value.items()]}
    if isinstance(value, Path):
        return {"path": str(value)}
    if type(value) is bytes:
        buffers.append(value)
        return {"bytes": len(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        buffers.append(value.tobytes())
        return {"array": [value.dtype.str, list(value.shape)]}
    raise TypeError(f"ranks do not send each other a {type(value).__name__}")


class _Reader:
    """Makes values again, in the order in which they were packed.  at: the byte that the next buffer begins with."""

    def __init__(self, message: bytes, at: int):
        self._message, self.at = message, at
        self._kinds: dict[str, Callable[[Any], Any]] = {
            "tuple": lambda items: tuple(map(self.value, items)),
            "mapping": lambda pairs: {self.value(key): self.value(item) for key, item in pairs},
            "path": Path,
            "bytes": self._take,
            "array": self._array,
        }

    def value(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return [self.value(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        ((kind, inner),) = plain.items()
        if kind not in self._kinds:
            raise ValueError(f"a message has a value of an unknown kind: {kind}")
        return self._kinds[kind](inner)

    def _array(self, described: Any) -> np.ndarray:
        type_, shape = np.dtype(described[0]), described[1]
        if type_.kind not in NUMBERS:
            raise ValueError(f"a message has an array of {type_}")
        return np.frombuffer(self._take(type_.itemsize * prod(shape)), type_).reshape(shape).copy()

    def _take(self, size: int) -> bytes:
        begin, self.at = self.at, self.at + size
        if size < 0 or self.at > len(self._message):
            raise ValueError("a message is cut short")
        return self._message[begin : self.at]
