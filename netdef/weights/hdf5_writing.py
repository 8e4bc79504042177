"""Write HDF5 files, the forms of Caffe's files among them, to a disk that may be full.

Where a write fails, HDF5 (2.0, as 1.14) prints errors that nobody can catch and may end the process by a segmentation fault. It is
therefore not given the error: the file object that it writes to keeps the first one, which is raised between HDF5's own calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from netdef.weights.hdf5 import h5py_module

LayerArrays = Iterable[tuple[str, Iterable[tuple[int, np.ndarray]]]]  # (layer, its (index, array) pairs)


class _Sink:
    """A file for h5py that never fails: after an error nothing more is written."""

    def __init__(self, path: Path, mode: str):
        self.error: OSError | None = None
        self._file = open(path, "r+b" if mode == "r+" else "w+b", buffering=0)  # noqa: SIM115 - closed by `close`
        self._at, self._size = 0, os.fstat(self._file.fileno()).st_size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        """h5py takes an object with this method for a file."""
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def readinto(self, buffer: Any) -> int:
        try:
            self._file.seek(self._at)
            count = self._file.readinto(buffer) or 0
        except OSError as error:
            count, self.error = 0, self.error or error
        self._at += count
        return count

    def write(self, data: Any) -> int:
        whole = memoryview(data).cast("B")
        left = whole
        try:
            self._file.seek(self._at)
            while left and self.error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = error
        self._at += len(whole)
        self._size = max(self._size, self._at)
        return len(whole)

    def truncate(self, size: int | None = None) -> int:
        self._size = self._at if size is None else size
        try:
            if self.error is None:
                self._file.truncate(self._size)
        except OSError as error:
            self.error = error
        return self._size

    def flush(self) -> None:
        """Nothing is buffered."""

    def sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.error = self.error or error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error


class Hdf5Writing:
    """An HDF5 file to write; as a context manager, h5py's File of it.

    Parameters
    ----------
    mode: "w" for a new one, "r+" to go on with one.

    Attributes
    ----------
    file: h5py's.

    Raises
    ------
    OSError: it cannot be opened, or is damaged.
    NetdefError: h5py is not installed.
    """

    def __init__(self, path: Path, mode: str = "w"):
        h5py = h5py_module(path)
        self._sink = _Sink(path, mode)
        try:
            self.file = h5py.File(self._sink, mode)
        except BaseException:
            self._sink.close()
            raise

    def check(self) -> None:
        """Raises OSError: a write has failed."""
        if self._sink.error is not None:
            raise self._sink.error

    def sync(self) -> None:
        """Wait until all is on disk; raises as `check`."""
        self.file.flush()
        self._sink.sync()
        self.check()

    def close(self) -> None:
        """Write what is not written yet; raises as `check`, also where that was raised before."""
        try:
            self.file.close()
        except Exception:
            self.check()  # HDF5 met its own missing bytes
            raise
        finally:
            self._sink.close()
        self.check()

    def __enter__(self) -> Any:
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
            return
        with suppress(Exception):
            self.close()
        if not isinstance(error, OSError):
            self.check()


def write_weights(file: Path | BinaryIO, layers: LayerArrays) -> None:
    """Write a .caffemodel.h5 as Caffe does: a group for every layer, with those of its arrays that are given.

    Raises
    ------
    OSError: it cannot be written.
    """
    with Hdf5Writing(file) if isinstance(file, Path) else h5py_module(file).File(file, "w") as out:
        data = out.create_group("data")
        for name, arrays in layers:
            group = data.require_group(name)
            for index, array in arrays:
                group.create_dataset(str(index), data=np.asarray(array, "<f4"))


def write_state(path: Path, iteration: int, learned_net: str, current_step: int, history: Sequence[np.ndarray]) -> None:
    """Write a .solverstate.h5 as Caffe does; raises as `write_weights`."""
    with Hdf5Writing(path) as file:
        file.create_dataset("iter", data=np.array([iteration], "<i4"))
        # Caffe reads it as a C string: fixed length, with the zero that ends it.
        name = learned_net.encode("utf-8", "surrogateescape")
        file.create_dataset("learned_net", data=np.array(name, dtype=f"S{len(name) + 1}"))
        file.create_dataset("current_step", data=np.array([current_step], "<i4"))
        group = file.create_group("history")
        for index, array in enumerate(history):
            group.create_dataset(str(index), data=np.asarray(array, "<f4"))
