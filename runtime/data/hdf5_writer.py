"""Write records to an HDF5 file.

HDF5 changes its own files in many places at once, and what a killed process or a full disk leaves may be read as other numbers. The
rows are therefore appended to two plain files first, and the HDF5 file is made of them at the end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.weights.hdf5 import h5py_module
from netdef.weights.hdf5_writing import Hdf5Writing
from runtime.data.datum import Datum
from runtime.data.records import pixels_of
from runtime.data.writer import Item, Writer

ROWS, LABELS = "rows", "labels"  # ROWS-3x32x32 has the images, float32, one after another
COPIED = 1 << 26  # bytes copied at a time
FLOAT = np.dtype(np.float32)


class Hdf5Writer(Writer):
    """A file with the datasets `data`, float32 (N, C, H, W), and `label`, float32 (N,), for an HDF5Data layer."""

    def __init__(self, path: Path):
        super().__init__(path)
        h5py_module(path)  # missing, it is missed now
        self._shape = shape_of_rows(path.parent)

    def ready(self, datum: Datum, name: str) -> Datum:
        pixels = pixels_of(datum, name)
        if not datum.encoded:
            return datum
        channels, height, width = pixels.shape
        return Datum(channels, height, width, data=np.ascontiguousarray(pixels).tobytes(), label=datum.label)

    def write(self, first: int, items: Sequence[Item]) -> None:
        arrays = [pixels_of(datum, key.decode("utf-8", "replace")) for key, datum in items]
        self._shape = self._shape or arrays[0].shape
        for (key, _), array in zip(items, arrays, strict=True):
            if array.shape != self._shape:
                text = f"{key.decode('utf-8', 'replace')} is {shape_text(array.shape)}, others are {shape_text(self._shape)}"
                raise NetdefError(f"{text}: a dataset takes one shape", hint="give a size to bring them to")
        append(self._rows, first, np.stack(arrays).astype(FLOAT))
        append(self._labels, first, np.array([datum.label for _, datum in items], FLOAT))

    @property
    def _rows(self) -> Path:
        return self.path.with_name(f"{ROWS}-{'x'.join(map(str, self._shape or ()))}")

    @property
    def _labels(self) -> Path:
        return self.path.with_name(LABELS)

    def cut(self, count: int) -> None:
        if self._shape is None:
            return
        if not count:  # the first row to come may have another shape
            self._rows.unlink(missing_ok=True)
            self._shape = None
            return
        os.truncate(self._rows, count * FLOAT.itemsize * prod(self._shape))
        os.truncate(self._labels, count * FLOAT.itemsize)

    def close(self) -> None:
        pass  # each batch is on disk

    def finish(self) -> None:
        assert self._shape is not None
        labels = np.fromfile(self._labels, FLOAT)
        writing = Hdf5Writing(self.path)
        with writing as file, self._rows.open("rb") as rows:
            file.create_dataset("label", data=labels)
            data = file.create_dataset("data", (len(labels), *self._shape), FLOAT, chunks=(1, *self._shape))
            at_once = max(1, COPIED // (FLOAT.itemsize * prod(self._shape)))
            for first in range(0, len(labels), at_once):
                block = np.fromfile(rows, FLOAT, at_once * prod(self._shape)).reshape(-1, *self._shape)
                data[first : first + len(block)] = block
                writing.check()


def append(path: Path, first: int, rows: np.ndarray) -> None:
    """Let rows follow the first ones of a file, and wait until they are on disk; what was behind those is dropped."""
    with open(path, "ab") as file:
        file.truncate(first * rows.itemsize * prod(rows.shape[1:]))
        file.write(np.ascontiguousarray(rows).data)
        file.flush()
        os.fsync(file.fileno())


def shape_of_rows(folder: Path) -> tuple[int, ...] | None:
    """The shape of the rows that an interrupted conversion has written into a folder; None where there are none."""
    names = [path.name.removeprefix(f"{ROWS}-") for path in folder.glob(f"{ROWS}-*")]
    return tuple(map(int, names[0].split("x"))) if len(names) == 1 else None


def has_rows(folder: Path, count: int) -> bool:
    """Whether a folder has so many rows and their labels."""
    shape = shape_of_rows(folder)
    if not count or shape is None:
        return not count
    rows = folder / f"{ROWS}-{'x'.join(map(str, shape))}"
    sizes = {rows: FLOAT.itemsize * prod(shape), folder / LABELS: FLOAT.itemsize}
    return all(path.is_file() and path.stat().st_size >= count * size for path, size in sizes.items())
