"""Protobuf's wire format for blobs, read and written without copying their numbers into Python.

Python's protobuf turns every float of a repeated field into an object when it is read, and holds a whole message in
memory to write it: too slow and too large for networks.  Field numbers: netdef/schema/*.proto.
The encoding: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from math import prod
from typing import BinaryIO

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# BlobProto's fields.
NUM, CHANNELS, HEIGHT, WIDTH, DATA, SHAPE, DOUBLE_DATA = 1, 2, 3, 4, 5, 7, 8
SHAPE_DIM = 1


class MalformedError(Exception):
    """These bytes are not a protobuf message."""


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """The (number, wire type, value) of each field of a message; a varint's value is an int, any other's its bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise MalformedError("a field numbered 0")
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = read_varint(data, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise MalformedError(f"wire type {kind}")
        if at + size > len(data):
            raise MalformedError("it ends in the middle of a field")
        yield number, kind, data[at : at + size]
        at += size


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """The varint at an offset, and the offset after it."""
    value = shift = 0
    while True:
        if at >= len(data):
            raise MalformedError("it ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise MalformedError("a number of more than ten bytes")


def read_blob(data: memoryview) -> np.ndarray:
    """A BlobProto's array, float32 in its shape; a view of `data` where its numbers stand there in one run."""
    parts: list[np.ndarray] = []
    shape: list[int] | None = None
    legacy: dict[int, int] = {}
    for number, _, value in fields(data):
        if number in (DATA, DOUBLE_DATA) and not isinstance(value, int):
            parts.append(read_floats(value, "<f4" if number == DATA else "<f8"))
        elif number == SHAPE and not isinstance(value, int):
            shape = read_dims(value)
        elif number <= WIDTH and isinstance(value, int):
            legacy[number] = value
    array = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, "f4"), *parts])
    if shape is None:
        shape = [legacy.get(axis, 0) for axis in (NUM, CHANNELS, HEIGHT, WIDTH)] if legacy else [array.size]
    if prod(shape) != array.size:
        raise MalformedError(f"a blob of shape {tuple(shape)} with {array.size} numbers")
    return array.reshape(shape).astype(np.float32, copy=False)


def read_floats(value: memoryview, dtype: str) -> np.ndarray:
    if len(value) % np.dtype(dtype).itemsize:
        raise MalformedError("a run of floats that ends in the middle of one")
    return np.frombuffer(value, dtype)


def read_dims(shape: memoryview) -> list[int]:
    """The dimensions of a BlobShape, packed or not."""
    dims: list[int] = []
    for number, _, value in fields(shape):
        if number != SHAPE_DIM:
            continue
        if isinstance(value, int):
            dims.append(value)
            continue
        at = 0
        while at < len(value):
            dim, at = read_varint(value, at)
            dims.append(dim)
    return dims


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def key(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def prefix(number: int, size: int) -> bytes:
    """What precedes the `size` bytes of a string, a message or a packed run."""
    return key(number, BYTES) + varint(size)


def blob_head(shape: tuple[int, ...]) -> bytes:
    """A BlobProto up to its numbers, which follow as they are in memory."""
    dims = b"".join(varint(dim) for dim in shape)
    message = prefix(SHAPE_DIM, len(dims)) + dims
    return prefix(SHAPE, len(message)) + message + prefix(DATA, 4 * prod(shape))


def blob_size(shape: tuple[int, ...]) -> int:
    """How many bytes an array takes as a BlobProto."""
    return len(blob_head(shape)) + 4 * prod(shape)


def write_blob(file: BinaryIO, number: int, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Write an array as the BlobProto of field `number`."""
    file.write(prefix(number, blob_size(shape)) + blob_head(shape))
    file.write(np.ascontiguousarray(array, "<f4").reshape(-1).data)
