"""Caffe's Datum, a labelled image as databases store it, in protobuf's wire format.

Python's protobuf makes an object of every float that it reads, and copies the bytes of every image: too slow for records that are
read again in each epoch.  The message is defined in Caffe's src/caffe/proto/caffe.proto.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netdef.weights.wire import FIXED32, MalformedError, fields, key, prefix, read_floats, varint

CHANNELS, HEIGHT, WIDTH, DATA, LABEL, FLOAT_DATA, ENCODED = 1, 2, 3, 4, 5, 6, 7
FLOAT_KEY = FLOAT_DATA << 3 | FIXED32
FLOAT_BYTES = 5  # of a float that is not packed: its key, and itself
_SIGN = 1 << 31


@dataclass(frozen=True, eq=False)
class Datum:
    """One record.

    Attributes
    ----------
    channels, height, width: of the image; 0 where it is encoded and the writer did not say.
    data: its bytes in the order C, H, W, blue first; or a whole image file, if `encoded`.
    floats: its numbers instead of bytes, float32 (C * H * W,).
    """

    channels: int = 0
    height: int = 0
    width: int = 0
    data: bytes | memoryview = b""
    label: int = 0
    encoded: bool = False
    floats: NDArray[np.float32] | None = None

    @property
    def pixels(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """(H, W, C), a view; of a record that is not encoded.

        Raises
        ------
        MalformedError: it has other than C * H * W numbers.
        """
        shape = self.channels, self.height, self.width
        flat = np.frombuffer(self.data, np.uint8) if self.floats is None else self.floats
        if min(shape) < 1 or flat.size != self.channels * self.height * self.width:
            raise MalformedError(f"{flat.size} numbers for an image of {' x '.join(map(str, shape))}")
        return flat.reshape(shape).transpose(1, 2, 0)


def decode_datum(record: bytes | memoryview) -> Datum:
    """Read a record; `data` is a view of it.

    Raises
    ------
    MalformedError: it is no Datum.
    """
    view = memoryview(record)
    numbers = {CHANNELS: 0, HEIGHT: 0, WIDTH: 0, LABEL: 0, ENCODED: 0}
    data: bytes | memoryview = b""
    runs: list[NDArray[np.float32]] = []
    before, floats = _without_floats(view)
    for number, kind, value in fields(before):
        if isinstance(value, int):
            if number in numbers:
                numbers[number] = value
        elif number == DATA:
            data = value
        elif number == FLOAT_DATA:
            runs.append(read_floats(value, "<f4"))  # packed, or alone
        elif number in numbers:
            raise MalformedError(f"field {number} is of wire type {kind}, not a number")
    if floats is not None:
        runs.insert(0, floats)
    label = numbers[LABEL] & 0xFFFFFFFF
    return Datum(
        numbers[CHANNELS],
        numbers[HEIGHT],
        numbers[WIDTH],
        data=data,
        label=label - 2 * _SIGN if label >= _SIGN else label,
        encoded=bool(numbers[ENCODED]),
        floats=np.concatenate(runs) if runs and not len(data) else None,
    )


def encode_datum(datum: Datum) -> bytes:
    """The bytes of a record, its fields in the order of their numbers, as Caffe's tools write them."""
    out = bytearray()
    for number, value in ((CHANNELS, datum.channels), (HEIGHT, datum.height), (WIDTH, datum.width)):
        out += key(number, 0) + varint(value)
    if datum.floats is None:
        out += prefix(DATA, len(datum.data)) + datum.data
    out += key(LABEL, 0) + varint(datum.label & 0xFFFFFFFFFFFFFFFF)  # a negative int32 has ten bytes
    if datum.floats is not None:
        cells = np.empty((datum.floats.size, FLOAT_BYTES), np.uint8)
        cells[:, 0] = FLOAT_KEY
        cells[:, 1:] = np.ascontiguousarray(datum.floats, "<f4").view(np.uint8).reshape(-1, FLOAT_BYTES - 1)
        out += cells.tobytes()
    return bytes(out + (key(ENCODED, 0) + varint(1) if datum.encoded else b""))


def _without_floats(view: memoryview) -> tuple[memoryview, NDArray[np.float32] | None]:
    """A record without its run of floats, which are not packed: each of them would be a field."""
    start = _first_float(view)
    if start is None:
        return view, None
    rows = np.frombuffer(view[start:], np.uint8, (len(view) - start) // FLOAT_BYTES * FLOAT_BYTES).reshape(-1, FLOAT_BYTES)
    others = np.flatnonzero(rows[:, 0] != FLOAT_KEY)
    count = int(others[0]) if others.size else len(rows)
    floats = np.ascontiguousarray(rows[:count, 1:]).view("<f4").reshape(-1)
    return memoryview(bytes(view[:start]) + bytes(view[start + count * FLOAT_BYTES :])), floats


def _first_float(view: memoryview) -> int | None:
    """Where the first float's key stands; None without any."""
    at = 0
    for number, kind, value in fields(view):
        if number == FLOAT_DATA and kind == FIXED32:
            return at
        size = len(varint(value)) if isinstance(value, int) else len(value)
        at += len(key(number, kind)) + size + (len(varint(size)) if kind == 2 else 0)
    return None
