"""Blobs in protobuf's wire format, read and written without turning their numbers into Python objects.

Python's protobuf makes an object of every float that it reads, and holds a whole message in memory to write it: too slow
and too large for networks.  Field numbers: netdef/schema/*.proto.
The encoding: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import BinaryIO

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

NET_NAME, LAYERS, LAYER_BLOBS = 1, 100, 7  # where a NetParameter has its name and layers, and a layer its blobs

# BlobProto's fields.
NUM, CHANNELS, HEIGHT, WIDTH, DATA, SHAPE, DOUBLE_DATA = 1, 2, 3, 4, 5, 7, 8
RAW_TYPE, RAW_DATA = 10, 12  # of NVIDIA's Caffe
RAW_TYPES = {0: "<f8", 1: "<f4", 2: "<f2", 3: "<i4", 4: "<u4"}
SHAPE_DIM = 1
MOST_AXES = 32  # Caffe's kMaxBlobAxes


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
    """A BlobProto's array, float32 in its shape; a view of `data` where its numbers stand in one run.

    Raises
    ------
    MalformedError: the message is damaged, or its shape does not fit its numbers.
    """
    runs: list[np.ndarray] = []
    shape: list[int] | None = None
    legacy: dict[int, int] = {}
    raw_type, raw = 0, None
    for number, _, value in fields(data):
        if number == RAW_TYPE and isinstance(value, int):
            raw_type = value
        elif number == RAW_DATA and not isinstance(value, int):
            raw = value
        elif number in (DATA, DOUBLE_DATA) and not isinstance(value, int):
            runs.append(read_floats(value, "<f4" if number == DATA else "<f8"))
        elif number == SHAPE and not isinstance(value, int):
            shape = read_dims(value)
        elif number <= WIDTH and isinstance(value, int):
            legacy[number] = value
    if raw is not None and not runs:
        if raw_type not in RAW_TYPES:
            raise MalformedError(f"a blob of numbers of type {raw_type}, which is none of NVIDIA's Caffe")
        runs = [read_floats(raw, RAW_TYPES[raw_type])]
    array = runs[0] if len(runs) == 1 else np.concatenate([np.empty(0, "f4"), *runs])
    if shape is None:
        shape = [legacy.get(axis, 0) for axis in (NUM, CHANNELS, HEIGHT, WIDTH)] if legacy else [array.size]
    if len(shape) > MOST_AXES:
        raise MalformedError(f"a blob of {len(shape)} axes; Caffe's have {MOST_AXES} at most")
    if prod(shape) != array.size or max(shape, default=0) >= 1 << 31:
        raise MalformedError(f"a blob of shape {tuple(shape)} with {array.size} numbers")
    try:
        shaped = array.reshape(shape)
    except ValueError:  # no numbers, but the other extents multiply beyond what NumPy counts
        raise MalformedError(f"a blob of shape {tuple(shape)}: its extents are too large") from None
    with np.errstate(over="ignore"):  # a double that is too large becomes infinite, which check_finite reports
        return shaped.astype(np.float32, copy=False)


def read_floats(value: memoryview, dtype: str) -> np.ndarray:
    if len(value) % np.dtype(dtype).itemsize:
        raise MalformedError("a run of floats that ends in the middle of one")
    return np.frombuffer(value, dtype)


def read_dims(shape: memoryview) -> list[int]:
    """The extents in a BlobShape, packed or not."""
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


def write_net_name(file: BinaryIO, name: str) -> None:
    """Write the name of a NetParameter."""
    file.write(prefix(NET_NAME, len(name.encode())) + name.encode())


def write_layer(file: BinaryIO, text: bytes, shapes: Sequence[tuple[int, ...]], arrays: Iterable[np.ndarray]) -> None:
    """Write a layer of a NetParameter.

    Parameters
    ----------
    text: its LayerParameter without weights, serialized.
    shapes: of its arrays.  arrays: taken one by one as they are written, so that an iterator need not hold them all.
    """
    sizes = [blob_size(shape) for shape in shapes]
    blobs = sum(len(prefix(LAYER_BLOBS, size)) + size for size in sizes)
    file.write(prefix(LAYERS, len(text) + blobs) + text)
    for shape, array in zip(shapes, arrays, strict=True):
        write_blob(file, LAYER_BLOBS, array, shape)
