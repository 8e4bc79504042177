"""Weights alone, by name: .npz, and .safetensors (a length of 8 bytes, a JSON header, then the arrays one after another)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from netdef.language.writing import replacing
from runtime.machine.weights import Reader

HEAD = 8  # bytes: the length of the header
MOST_HEADER = 100_000_000  # bytes; the format allows no more
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}
HALF_BITS = 16  # BF16 is the upper half of a float32


def weights_by_name(net: Net, read: Reader) -> Iterable[tuple[str, np.ndarray]]:
    """(layer/index, array) of each parameter, one that layers share only with its owner."""
    return ((str(one), read(one.layer.name, one.index)) for one in net.parameters if not one.shared)


def write_npz(path: str, arrays: Iterable[tuple[str, np.ndarray]]) -> int:
    """Write arrays as .npz; returns how many.

    Raises
    ------
    NetdefError: it cannot be written; what was there is untouched.
    """
    named = dict(arrays)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **named)  # type: ignore[arg-type]
    return len(named)


def write_safetensors(path: str | Path, arrays: Iterable[tuple[str, np.ndarray]], facts: Mapping[str, str] | None = None) -> int:
    """Write arrays as .safetensors; returns how many.  facts: texts for the header.

    Raises
    ------
    NetdefError: it cannot be written; what was there is untouched.
    """
    with replacing(path) as partial:
        return put_safetensors(partial, arrays, facts)


def put_safetensors(path: Path, arrays: Iterable[tuple[str, np.ndarray]], facts: Mapping[str, str] | None = None) -> int:
    """The same, straight into a file.

    Raises
    ------
    OSError: it cannot be written.
    """
    named, at = {name: _plain(array) for name, array in arrays}, 0
    header: dict[str, Any] = {"__metadata__": dict(facts)} if facts else {}
    for name, array in named.items():
        kind = "F32" if array.dtype.kind == "f" else "I64"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % HEAD)  # so that the arrays are aligned
    with path.open("wb") as file:
        file.write(len(text).to_bytes(HEAD, "little") + text)
        for array in named.values():
            file.write(array.reshape(-1).view(np.uint8).data)
    return len(named)


def _plain(array: np.ndarray) -> np.ndarray:
    """Float32, or whole numbers of 64 bits."""
    return np.asarray(array, "<f4" if np.asarray(array).dtype.kind == "f" else "<i8", order="C")


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays in a .safetensors file by name, in its order.

    Raises
    ------
    NetdefError: it cannot be read, or is none.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise NetdefError(f"cannot read {path}: {error.strerror}") from None
    size = int.from_bytes(data[:HEAD], "little")
    try:
        if len(data) < HEAD or size > min(MOST_HEADER, len(data) - HEAD):
            raise ValueError(f"its header would have {size:,} bytes, of {len(data):,} in all")
        header = dict(json.loads(data[HEAD : HEAD + size]))
        header.pop("__metadata__", None)
        return {str(name): _array(one, memoryview(data)[HEAD + size :]) for name, one in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise NetdefError(f"{path} is not a whole .safetensors file: {reason}") from None


def _array(entry: Any, data: memoryview) -> np.ndarray:
    """An array from its entry in the header. Raises ValueError for one that does not fit the file."""
    kind, shape, (begin, end) = entry["dtype"], tuple(map(int, entry["shape"])), map(int, entry["data_offsets"])
    if not 0 <= begin <= end <= len(data):
        raise ValueError(f"an array lies at {begin} to {end}, of {len(data)} bytes")
    if kind == "BF16":
        upper = np.frombuffer(data[begin:end], "<u2").astype(np.uint32) << HALF_BITS
        array = upper.view(np.float32)
    elif kind in DTYPES:
        array = np.frombuffer(data[begin:end], DTYPES[kind])
    else:
        raise ValueError(f"an array of {kind}, a type that is not known here")
    if min(shape, default=0) < 0 or prod(shape) != array.size:
        raise ValueError(f"an array of shape {shape} with {array.size} numbers")
    return array.reshape(shape)
