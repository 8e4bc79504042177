"""Read a file of weights into arrays by layer, or raise one diagnostic."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError, unreadable
from netdef.language.units import plural
from netdef.weights import hdf5, wire
from netdef.weights.checksums import warn_of_change
from netdef.weights.foreign import not_weights

Weights = Mapping[str, Sequence[np.ndarray | None]]  # by layer; None where a file leaves a shared one to its owner

# Where a NetParameter keeps its layers, and each format's layer its name and blobs (netdef.proto).
OLD_LAYERS, LAYER_NAME = 2, 1
V1_NAME, V1_BLOBS, V1_INNER = 4, 6, 1
V0_NAME, V0_BLOBS = 1, 50
SHOWN = 8  # arrays named in a message
EARLIER = "take a snapshot of an earlier iteration"


def read_weights(path: str | Path) -> Weights:
    """The weights in a .caffemodel of any age, or a .caffemodel.h5, by layer; layers without any are left out.

    None marks a shared parameter that the file has only with its owner. A warning says where a run's side file knows other weights.

    Arrays are float32 in Caffe's shapes, read-only views of the file where that can be.

    Raises
    ------
    NetdefError: the file is missing, is something else (which is named), is damaged, holds no weights, or holds numbers that are
        not finite (their arrays are named).
    """
    path = Path(path)
    data = contents(path)
    warn_of_change(path)
    if not hdf5.is_hdf5(data):
        return weights_in(data, path)
    weights = hdf5.read_weights(path)
    if not weights:
        raise NetdefError(f"{path} holds no weights: there are no arrays in its group /data")
    return finite(weights, path)


def weights_in(data: memoryview, path: str | Path) -> Weights:
    """The weights in the bytes of a binary NetParameter; errors as in `read_weights`."""
    weights: dict[str, list[np.ndarray | None]] = {}
    layers = 0
    try:
        for number, _, value in wire.fields(data):
            if number in (wire.LAYERS, OLD_LAYERS) and not isinstance(value, int):
                layers += 1
                name, blobs = read_layer(number, value)
                if blobs:
                    weights[name] = [*blobs]
    except wire.MalformedError as error:
        raise not_weights(path, data, str(error)) from None
    if not weights:
        if layers:
            hint = "training writes a .caffemodel with weights; the net's text belongs before --weights"
            raise NetdefError(f"{path} holds no weights: it is a net of {plural(layers, 'layer')} without any", hint=hint)
        raise not_weights(path, data, "it has no layers")
    return finite(weights, path)


def contents(path: Path) -> memoryview:
    """A file's bytes, mapped rather than read: networks are large and most are copied only once.

    Raises
    ------
    NetdefError: it cannot be read, is empty, or is neither a file nor a pipe.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISFIFO(status.st_mode):
                return memoryview(file.read())
            if not stat.S_ISREG(status.st_mode):
                raise NetdefError(f"{path} is a device, not a file")
            if not status.st_size:
                raise NetdefError(f"{path} is empty")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise unreadable(path, error) from None


def read_layer(number: int, data: memoryview) -> tuple[str, list[np.ndarray]]:
    """A layer's name and blobs, in today's format or in one of the two older ones."""
    if number == wire.LAYERS:
        return read_named_blobs(data, LAYER_NAME, wire.LAYER_BLOBS)
    for inner, _, value in wire.fields(data):
        if inner == V1_INNER and not isinstance(value, int):
            return read_named_blobs(value, V0_NAME, V0_BLOBS)
    return read_named_blobs(data, V1_NAME, V1_BLOBS)


def read_named_blobs(data: memoryview, name_number: int, blobs_number: int) -> tuple[str, list[np.ndarray]]:
    """The name and the blobs in a message that has them in these fields."""
    name, blobs = "", []
    for number, _, value in wire.fields(data):
        if isinstance(value, int):
            continue
        if number == name_number:
            name = bytes(value).decode("utf-8", "replace")
        elif number == blobs_number:
            blobs.append(wire.read_blob(value))
    return name, blobs


def finite(weights: Weights, path: str | Path) -> Weights:
    """The same weights, if their numbers are finite.

    Raises
    ------
    NetdefError: see `check_finite`.
    """
    named = ((f"{layer}/{index}", array) for layer, arrays in weights.items() for index, array in enumerate(arrays))
    check_finite(path, ((name, array) for name, array in named if array is not None))
    return weights


def check_finite(path: str | Path, arrays: Iterable[tuple[str, np.ndarray]], hint: str = EARLIER) -> None:
    """Check that a file's arrays hold no NaN and no infinite number.

    Parameters
    ----------
    arrays: each with its name.  hint: what to do about them.

    Raises
    ------
    NetdefError: some do; the first SHOWN of those arrays are named, with shapes and counts.
    """
    wrong = [f"{name} ({shape_text(array.shape)}): {count_of_wrong(array)}" for name, array in arrays if not is_finite(array)]
    if wrong:
        more = [f"and {len(wrong) - SHOWN} more arrays"] if len(wrong) > SHOWN else []
        lines = "\n  ".join(wrong[:SHOWN] + more)
        raise NetdefError(f"{path} holds numbers that are not finite, in\n  {lines}", hint=hint)


def is_finite(array: np.ndarray) -> bool:
    """Whether all numbers are finite; without an array of answers as large as the numbers."""
    return not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def count_of_wrong(array: np.ndarray) -> str:
    """How many of an array's numbers are NaN or infinite."""
    nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    counts = [f"{count:,} {what}" for count, what in ((nan, "NaN"), (infinite, "infinite")) if count]
    return f"{' and '.join(counts)} of {array.size:,}"
