"""The net inside a .caffemodel: what its weights were trained in, without the weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netdef.language import NetdefError, read_text
from netdef.language.diagnostics import Remark
from netdef.weights import hdf5, wire
from netdef.weights.reading import OLD_LAYERS, V0_BLOBS, V1_BLOBS, V1_INNER, contents


def trained_net(path: str | Path) -> Any:
    """The NetParameter in a .caffemodel of any age, without its arrays; None where it has none (HDF5) or cannot be read."""
    if not Path(path).is_file():  # a pipe gives its weights once
        return None
    data = contents(Path(path))
    if hdf5.is_hdf5(data):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Remark)  # what is to be said of the file is for those who read it as a net
            return read_text(b"".join(_without_arrays(data)), str(path), "NetParameter").message
    except (wire.MalformedError, NetdefError):
        return None


def _without_arrays(data: memoryview) -> Iterator[bytes]:
    """The fields of a NetParameter, its layers' arrays left out."""
    for number, kind, value in wire.fields(data):
        if number == wire.LAYERS and not isinstance(value, int):
            value = memoryview(b"".join(_fields_but(value, wire.LAYER_BLOBS)))
        elif number == OLD_LAYERS and not isinstance(value, int):
            value = memoryview(b"".join(_old_layer(value)))
        yield _field(number, kind, value)


def _old_layer(data: memoryview) -> Iterator[bytes]:
    """The fields of a layer of the two older formats, its arrays left out."""
    for number, kind, value in wire.fields(data):
        if number == V1_INNER and not isinstance(value, int):
            yield _field(number, kind, memoryview(b"".join(_fields_but(value, V0_BLOBS))))
        elif number != V1_BLOBS:
            yield _field(number, kind, value)


def _fields_but(data: memoryview, left_out: int) -> Iterator[bytes]:
    return (_field(number, kind, value) for number, kind, value in wire.fields(data) if number != left_out)


def _field(number: int, kind: int, value: int | memoryview) -> bytes:
    """One field as it is in the file."""
    if isinstance(value, int):
        return wire.key(number, kind) + wire.varint(value)
    head = wire.prefix(number, len(value)) if kind == wire.BYTES else wire.key(number, kind)
    return head + bytes(value)
