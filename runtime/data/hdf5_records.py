"""Labelled images of HDF5 files, as records: what tools that copy data, or look at all of it, read them through.

A file has more datasets than a record has room for: one of images, (N, C, H, W), and one of labels, a whole number for each.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from netdef.weights.hdf5 import check_claim, damage_named, h5py_module, reading
from runtime.data.datum import Datum
from runtime.data.hdf5_data import files_at
from runtime.data.hdf5_facts import FORM, datasets_in, is_hdf5_file
from runtime.data.records import state_of_file
from runtime.data.source import UnreadableError

IMAGES, LABELS = "data", "label"  # the names of Caffe's examples, and of what `netdef data convert` writes
AXES = 4
START = 4096  # bytes of a list that are looked at
BLOCK_BYTES = 1 << 24  # read at once, at most
BLOCKS_KEPT = 4
FILES_OPEN = 16  # at once
LARGEST = 255  # a pixel


@dataclass(frozen=True)
class Names:
    """The datasets that have the images, and the labels; without the latter all labels are 0.

    given: whether a user named them.
    """

    images: str = IMAGES
    labels: str = LABELS
    given: bool = False


class Hdf5Records:
    """The rows of a dataset of images, in one file or in those that a list names, one after the other.

    Pixels that are whole numbers from 0 to 255 in all rows become bytes, whatever the type of the dataset.

    Attributes
    ----------
    others: the datasets that are left out.

    Raises
    ------
    NetdefError: a file is missing or damaged, lacks a dataset, or has one that is no images or no labels.
    """

    classes: tuple[str, ...] | None = None

    def __init__(self, source: str, names: Names = Names()):
        self.name = source
        self._files = files_at(Path(source))
        found = [_look(file, names) for file in self._files]
        for file, one in zip(self._files, found, strict=True):
            if one.shape != found[0].shape:
                first = f"in {self._files[0]} it is {shape_text(found[0].shape)}"
                raise NetdefError(f"{file}: a row of {names.images} is {shape_text(one.shape)}, {first}")
        self.others = found[0].others
        self._names, self._shape, self._labels = names, found[0].shape, np.concatenate([one.labels for one in found])
        self._starts = np.cumsum([0, *(len(one.labels) for one in found)]).tolist()
        self.size = self._starts[-1]
        if not self.size:
            raise NetdefError(f"{source} has no rows")
        self._as_bytes = all(one.are_bytes for one in found)
        self._rows = [one.rows_at_once for one in found]
        self._block, self._opened = lru_cache(BLOCKS_KEPT)(self._read), lru_cache(FILES_OPEN)(self._open)
        self._lock = Lock()
        self.states = [state_of_file(file) for file in self._files]
        self.fingerprint = sha256(repr((self._files, names, self.size)).encode("utf-8", "surrogateescape")).hexdigest()

    def key(self, position: int, index: int) -> bytes:
        return b"%08d" % position

    def state(self, index: int) -> tuple[int, int]:
        return self.states[self._file(index)]

    def datum(self, index: int) -> Datum:
        """A record.

        Raises
        ------
        UnreadableError: it has numbers that are not finite.
        NetdefError: the file is damaged.
        """
        file = self._file(index)
        row = index - self._starts[file]
        first = row // self._rows[file] * self._rows[file]
        with self._lock:
            pixels = self._block(file, first)[row - first]
        label, (channels, height, width) = int(self._labels[index]), self._shape
        if self._as_bytes:
            return Datum(channels, height, width, data=pixels.astype(np.uint8).tobytes(), label=label)
        floats = np.ravel(pixels).astype(np.float32)
        if not np.isfinite(floats).all():
            raise UnreadableError(f"row {row} of {self._names.images} of {self._files[file]}", "it has numbers that are not finite")
        return Datum(channels, height, width, floats=floats, label=label)

    def _file(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def _read(self, file: int, first: int) -> NDArray[Any]:
        """Some rows of the images of a file, from one on."""
        with damage_named(Path(self._files[file]), FORM):
            rows: NDArray[Any] = self._opened(file)[self._names.images][first : first + self._rows[file]]
            return rows

    def _open(self, file: int) -> Any:
        return h5py_module(self._files[file]).File(self._files[file], "r")


@dataclass(frozen=True)
class _Found:
    """What a file has: the shape of an image, the labels, whether pixels are bytes, how many rows to read at once."""

    shape: tuple[int, ...]
    labels: NDArray[np.int64]
    are_bytes: bool
    rows_at_once: int
    others: tuple[str, ...]


def is_hdf5_source(source: str) -> bool:
    """Whether a path is an HDF5 file, or a list whose first line names one."""
    path = Path(source)
    if not path.is_file() or is_hdf5_file(source):
        return path.is_file()
    with open(path, "rb") as file:
        line = file.read(START).split(b"\n", 1)[0].strip().decode("utf-8", "surrogateescape")
    return bool(line) and "\0" not in line and any(is_hdf5_file(str(one)) for one in (Path(line), path.parent / line))


def _look(file: str, names: Names) -> _Found:
    with reading(Path(file), FORM) as opened:
        found = dict(datasets_in(opened))
        images = _dataset(found, file, names.images)
        check_claim(Path(file), images)
        if len(images.shape) != AXES:
            text = f"{file}: dataset {names.images} is {shape_text(images.shape)}, not images of N x C x H x W"
            raise NetdefError(text, hint=choose(found))
        if names.labels:
            labels = _labels(_dataset(found, file, names.labels), file, names.labels)
        else:
            labels = np.zeros(len(images), np.int64)
        if len(labels) != len(images):
            raise NetdefError(f"{file} has {len(images):,} rows of {names.images}, and {len(labels):,} of {names.labels}")
        each = max(1, BLOCK_BYTES // max(1, images.dtype.itemsize * int(np.prod(images.shape[1:], dtype=int))))
        at_once = 1 if images.chunks is None else images.chunks[0]  # a chunk may be packed: then all of it is read for each row
        others = tuple(name for name in found if name not in (names.images, names.labels))
        return _Found(tuple(images.shape[1:]), labels, _are_bytes(images, each), at_once, others)


def _dataset(found: dict[str, Any], file: str, name: str) -> Any:
    if name not in found:
        raise NetdefError(f"{file} has no dataset {name} of numbers", hint=choose(found))
    return found[name]


def choose(found: Sequence[str] | dict[str, Any]) -> str:
    """A hint."""
    return f"--datasets IMAGES,LABELS names them; there are {', '.join(found)}" if found else "the file has no datasets of numbers"


def _labels(dataset: Any, file: str, name: str) -> NDArray[np.int64]:
    """A whole number for each row.

    Raises
    ------
    NetdefError: there are several, or one is none.
    """
    check_claim(Path(file), dataset)
    several = int(np.prod(dataset.shape[1:], dtype=int))
    if several != 1:
        text = f"{file}: {name} has {plural(several, 'number')} for each row, and a record has one label"
        raise NetdefError(text, hint="--datasets IMAGES,LABELS names another dataset; HDF5Data layers read several labels")
    values = np.asarray(dataset[()], np.float64).reshape(-1)
    limits = np.iinfo(np.int32)
    wrong = np.flatnonzero(~((values == np.floor(values)) & (values >= limits.min) & (values <= limits.max)))
    if len(wrong):
        text = f"{file}: row {wrong[0]} of {name} is {values[wrong[0]]:g}: the label of a record is a whole number"
        raise NetdefError(text, hint="--datasets IMAGES,LABELS names another dataset; HDF5Data layers read real labels")
    return values.astype(np.int64)


def _are_bytes(images: Any, each: int) -> bool:
    """Whether all pixels are whole numbers from 0 to 255; of a type that has others, all are read to find out."""
    return images.dtype == np.uint8 or all(
        ((block >= 0) & (block <= LARGEST) & (block == np.floor(block))).all() for block in _blocks(images, each)
    )


def _blocks(images: Any, each: int) -> Iterator[NDArray[Any]]:
    for first in range(0, len(images), each):
        yield images[first : first + each]
