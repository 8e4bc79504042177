"""Write records to a new LMDB, LevelDB, HDF5 file or folder of images.

All is written to a folder beside, `.NAME.partial`, and has its name once it is whole.  A conversion that was interrupted goes on
where it was when it is started again with the same data and options.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import NetdefError
from netdef.language.writing import replacing, sync, sync_names
from runtime.data.classes import CLASSES
from runtime.data.database import LEVELDB, LMDB, package_for
from runtime.data.datum import Datum, encode_datum
from runtime.data.hdf5_writer import Hdf5Writer, has_rows
from runtime.data.records import image_in
from runtime.data.writer import Item, Writer

HDF5, FOLDER = "HDF5", "FOLDER"
KINDS = (LMDB, LEVELDB, HDF5, FOLDER)
STATE, FILES, CONTENT = "progress.json", "files", "content"
ATTEMPT = 1 << 20  # bytes that a disk is tried with
FORMAT = 1  # of STATE
FILE_STATE = np.dtype([("bytes", "<i8"), ("changed", "<i8")])  # of the file of a record, see `state_of_file`
FIRST_MAP = 1 << 28  # bytes of an LMDB at first; doubled when it is full


class LmdbWriter(Writer):
    """An LMDB, as Caffe's `lmdb` backend makes it."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._lmdb = package_for(LMDB, str(path))
        self._env = self._lmdb.open(str(path), map_size=FIRST_MAP, subdir=True, sync=False, metasync=False)
        used = path / "data.mdb"
        if used.stat().st_size > FIRST_MAP:
            self._env.set_mapsize(2 * used.stat().st_size)

    def write(self, first: int, items: Sequence[Item]) -> None:
        records = [(key, encode_datum(datum)) for key, datum in items]
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, record in records:
                        transaction.put(key, record)
                break
            except self._lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])
        self._env.sync(True)

    def cut(self, count: int) -> None:
        with self._env.begin(write=True) as transaction, transaction.cursor() as cursor:
            for _ in range(transaction.stat()["entries"] - count):
                cursor.last()
                cursor.delete()

    def close(self) -> None:
        self._env.close()
        (self.path / "lock.mdb").unlink(missing_ok=True)


class LeveldbWriter(Writer):
    """A LevelDB, as Caffe's `leveldb` backend makes it."""

    def __init__(self, path: Path):
        super().__init__(path)
        plyvel = package_for(LEVELDB, str(path))
        self._open = plyvel.DB(str(path), create_if_missing=True, write_buffer_size=1 << 28, max_open_files=100)

    def write(self, first: int, items: Sequence[Item]) -> None:
        with self._open.write_batch(sync=True) as batch:
            for key, datum in items:
                batch.put(key, encode_datum(datum))

    def cut(self, count: int) -> None:
        with self._open.iterator(include_value=False) as keys, self._open.write_batch(sync=True) as batch:
            for key in islice(keys, count, None):
                batch.delete(key)

    def close(self) -> None:
        self._open.close()


class FolderWriter(Writer):
    """A folder with one folder of PNG files for each class, which `ImageData` and `--data` read."""

    def __init__(self, path: Path, classes: Sequence[str] | None):
        super().__init__(path)
        self._classes = classes
        path.mkdir(exist_ok=True)

    def ready(self, datum: Datum, name: str) -> Datum:
        image_in(datum, name)
        return datum

    def write(self, first: int, items: Sequence[Item]) -> None:
        written: list[Path] = []
        for index, (key, datum) in enumerate(items, first):
            named = self._classes is not None and 0 <= datum.label < len(self._classes)
            folder = self.path / (self._classes[datum.label] if named and self._classes else str(datum.label))
            folder.mkdir(exist_ok=True)
            image_in(datum, key.decode("utf-8", "replace")).save(folder / f"{index:08}.png")
            written.append(folder / f"{index:08}.png")
        for path in written:
            sync(path)
        for folder in {path.parent for path in written} | {self.path}:
            sync_names(folder)

    def cut(self, count: int) -> None:
        for file in self.path.rglob("*.png"):
            if int(file.stem) >= count:
                file.unlink()

    def close(self) -> None:
        pass  # each image has a file of its own


def writer_of(kind: str, path: Path, classes: Sequence[str] | None) -> Writer:
    """The writer of a kind, at a path that may hold what it wrote before."""
    if kind == FOLDER:
        return FolderWriter(path, classes)
    if kind == LMDB:
        return LmdbWriter(path)
    return LeveldbWriter(path) if kind == LEVELDB else Hdf5Writer(path)


def errors_of(kind: str) -> tuple[type[Exception], ...]:
    """What is raised where a database cannot be written, by the system or by its package."""
    return (OSError, package_for(kind, kind).Error) if kind in (LMDB, LEVELDB) else (OSError,)


class Staged:
    """A folder beside the database to be, which holds what was written and how far it is.

    Parameters
    ----------
    path: of the database to be.  fingerprint: of the data and options; None if nothing goes on after an interruption.

    Attributes
    ----------
    removed: whether there was an interrupted conversion of other data, with other options, or damaged.

    Raises
    ------
    NetdefError: the path is taken, cannot be written to, or another process writes to it.
    """

    def __init__(self, path: str | Path, kind: str, fingerprint: str | None, classes: Sequence[str] | None = None):
        self.path, self.kind, self.fingerprint, self.classes = Path(path), kind, fingerprint, classes
        self.folder = self.path.parent / f".{self.path.name}.partial"
        if self.path.exists() or self.path.is_symlink():
            raise NetdefError(f"{path} exists already", hint="remove it, or give another name")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock()
        except OSError as error:
            raise NetdefError(f"cannot write {path}: {error.strerror}") from None
        self.removed = False
        self.done, self.skipped = self._state()

    def _lock(self) -> None:
        self._locked = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._locked)
            raise NetdefError(f"another process is writing {self.path}") from None
        except OSError:
            pass  # a file system without locks

    def _state(self) -> tuple[int, list[int]]:
        """How many of the data's records are written, and which of them were left out; what other data left is removed."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads((self.folder / STATE).read_text())
            done = int(state["done"])
            is_same = (
                state["format"] == FORMAT
                and state["fingerprint"] == self.fingerprint
                and (self.folder / FILES).stat().st_size >= done * FILE_STATE.itemsize
            )
            if is_same and self._is_whole(done - len(state["skipped"])):
                return done, [int(index) for index in state["skipped"]]
        for left in self.folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
            self.removed = True
        return 0, []

    def _is_whole(self, rows: int) -> bool:
        """Whether what was written can be gone on with."""
        return has_rows(self.folder, rows) if self.kind == HDF5 else (self.folder / CONTENT).exists()

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """The writer.  When the block ends well the database has its name; else what was written stays, if it can be gone on with.

        Raises
        ------
        NetdefError: it cannot be written.
        """
        try:
            writer = writer_of(self.kind, self.folder / CONTENT, self.classes)
            try:
                yield writer
            finally:
                writer.close()
            writer.finish()
            self._finish()
        except errors_of(self.kind) as error:
            raise NetdefError(f"cannot write {self.path}: {getattr(error, 'strerror', '') or self._reason(error)}") from None
        finally:
            if self.fingerprint is None:
                shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._locked)

    def _reason(self, error: Exception) -> str:
        """What a library's error says. LMDB says EIO on a full disk, too: there one more write says why."""
        if os.strerror(errno.EIO) not in str(error):
            return str(error)
        attempt = self.folder / "attempt"
        try:
            attempt.write_bytes(bytes(ATTEMPT))
            sync(attempt)
        except OSError as reason:
            return reason.strerror or str(error)
        finally:
            with suppress(OSError):
                attempt.unlink(missing_ok=True)
        return str(error)

    def states(self) -> NDArray[Any]:
        """What the files of the records that are done were like when they were read, FILE_STATE."""
        return np.fromfile(self.folder / FILES, FILE_STATE, self.done) if self.done else np.zeros(0, FILE_STATE)

    def note(self, done: int, skipped: list[int], states: Sequence[tuple[int, int]] = ()) -> None:
        """What is written now.

        Parameters
        ----------
        states: of the files of the records that are done since the last note.
        """
        if states:
            with open(self.folder / FILES, "ab") as file:
                file.truncate((done - len(states)) * FILE_STATE.itemsize)  # what a killed process wrote after its last note
                file.write(np.array(states, FILE_STATE).tobytes())
        self.done, self.skipped = done, skipped
        with replacing(self.folder / STATE) as partial:
            partial.write_text(json.dumps({"format": FORMAT, "fingerprint": self.fingerprint, "done": done, "skipped": skipped}))

    def _finish(self) -> None:
        content = self.folder / CONTENT
        if self.kind in (LMDB, LEVELDB) and self.classes is not None:
            (content / CLASSES).write_text("".join(f"{name}\n" for name in self.classes), encoding="utf-8")
        for file in [content, *content.rglob("*")] if content.is_dir() and self.kind != FOLDER else [content]:
            sync(file)
        os.rename(content, self.path)
        sync_names(self.path.parent)
        shutil.rmtree(self.folder)
