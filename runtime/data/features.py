"""Files of blobs' values, appended batch by batch: HDF5, NumPy's .npz, and databases as Caffe's extract_features writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.writing import replacing
from netdef.weights.hdf5 import h5py_module
from netdef.weights.hdf5_writing import Hdf5Writing
from runtime.data.database import LEVELDB, LMDB
from runtime.data.database_writer import Staged
from runtime.data.datum import Datum

ENDINGS = {".h5": "HDF5", ".hdf5": "HDF5", ".npz": "NPZ", ".lmdb": LMDB, ".leveldb": LEVELDB}


class Features(ABC):
    """Where rows of blobs go."""

    @abstractmethod
    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Append float32 rows, the images along the first axis, to those of each blob."""


class Hdf5Features(Features):
    """A dataset for each blob."""

    def __init__(self, path: Path, stack: ExitStack):
        h5py_module(path)  # missing, it is missed before a file is made
        self._writing = Hdf5Writing(stack.enter_context(replacing(path)))
        self._file = stack.enter_context(self._writing)

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, rows in arrays.items():
            if name not in self._file:
                shape = rows.shape[1:]
                self._file.create_dataset(name, (0, *shape), np.float32, maxshape=(None, *shape))
            dataset = self._file[name]
            dataset.resize(len(dataset) + len(rows), axis=0)
            dataset[len(dataset) - len(rows) :] = rows
            self._writing.check()


class NpzFeatures(Features):
    """An array for each blob; all are in memory until the end."""

    def __init__(self, path: Path, stack: ExitStack):
        self._rows: dict[str, list[np.ndarray]] = {}
        self._partial = stack.enter_context(replacing(path))
        stack.push(self._write)

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, rows in arrays.items():
            self._rows.setdefault(name, []).append(rows)

    def _write(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with ZipFile(self._partial, "w") as file:  # as np.savez does, which takes no array called "file"
                for name, rows in self._rows.items():
                    with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, np.concatenate(rows), allow_pickle=False)


class DatabaseFeatures(Features):
    """A database for each blob, of Datums with float_data under keys 0000000000, 0000000001 ..."""

    def __init__(self, paths: Mapping[str, str], kind: str, stack: ExitStack):
        staged = {name: Staged(path, kind, None) for name, path in paths.items()}
        self._writers = {name: stack.enter_context(one.writing()) for name, one in staged.items()}
        self._done = 0

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        count = 0
        for name, rows in arrays.items():
            count = len(rows)
            channels, height, width = (*rows.shape[1:], 1, 1, 1)[:3] if rows.ndim <= 4 else (rows[0].size, 1, 1)
            flat = np.ascontiguousarray(rows, np.float32).reshape(count, -1)
            items = [(b"%010d" % (self._done + n), Datum(channels, height, width, floats=row)) for n, row in enumerate(flat)]
            self._writers[name].write(self._done, items)
        self._done += count


@contextmanager
def writing_features(path: str, blobs: Sequence[str]) -> Iterator[Features]:
    """Where the values of some blobs go; what was written has its name when the block ends well.

    Parameters
    ----------
    path: its ending says what it is.  A database of one blob has this name, those of several have the blob's in it.

    Raises
    ------
    NetdefError: the ending is of no such file, a database is there already, or it cannot be written.
    """
    kind = ENDINGS.get(Path(path).suffix)
    if kind is None:
        raise NetdefError(f"{path}: unknown ending", hint=f"endings: {', '.join(ENDINGS)}")
    with ExitStack() as stack:
        if kind in (LMDB, LEVELDB):
            yield DatabaseFeatures(database_names(path, blobs), kind, stack)
        else:
            yield Hdf5Features(Path(path), stack) if kind == "HDF5" else NpzFeatures(Path(path), stack)


def database_names(path: str, blobs: Sequence[str]) -> dict[str, str]:
    """The database of each blob."""
    if len(blobs) == 1:
        return {blobs[0]: path}
    stem, ending = str(Path(path).with_suffix("")), Path(path).suffix
    return {blob: f"{stem}_{blob.replace('/', '_')}{ending}" for blob in blobs}
