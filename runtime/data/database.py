"""Databases of records, opened for reading: LMDB and LevelDB, as Caffe has them.  Nothing in them is ever written."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, local
from typing import Any, NoReturn

from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install

LMDB, LEVELDB = "LMDB", "LEVELDB"  # as DataParameter.DB has them
DB_KINDS = {0: LEVELDB, 1: LMDB}  # by its numbers
NAMES = {LMDB: "an LMDB", LEVELDB: "a LevelDB"}
# The modules that read it, of which one is enough, and netdef's extra. plyvel-next, for Python 3.13, is imported by another name.
EXTRAS = {LMDB: (("lmdb",), "lmdb"), LEVELDB: (("plyvel", "plyvel_next"), "leveldb")}
LMDB_FILE, LEVELDB_FILE = "data.mdb", "CURRENT"
NO_RECORDS = {"LOCK", "LOG", "LOG.old", "lock.mdb"}  # files that change when it is read
TABLES = {".ldb", ".sst"}  # a LevelDB's files that never change

_environments: dict[str, tuple[Any, int]] = {}  # open LMDBs by path, and how often each: lmdb opens none twice in a process
_environments_lock = Lock()


class Database(ABC):
    """An open database, its records in the order of their keys.

    Attributes
    ----------
    path: of its folder.  size: how many records there are.
    """

    def __init__(self, path: str, size: int):
        self.path, self.size = path, size
        self._lock = Lock()
        self._keys = bytearray()  # one after the other: a million of objects would take three times the memory
        self._ends = array("Q")
        self._walk: Iterator[bytes] | None = None

    def key(self, index: int) -> bytes:
        """The key of a record by its position in the order; those before it are looked at once.

        Raises
        ------
        NetdefError: the database is damaged.
        """
        with self._lock:
            while len(self._ends) <= index:
                if self._walk is None:
                    self._walk = self._all_keys()
                found = next(self._walk, None)
                if found is None:
                    self._damaged(f"it says that it has {self.size:,} records, and has {len(self._ends):,}")
                self._keys += found
                self._ends.append(len(self._keys))
            return bytes(self._keys[self._ends[index - 1] if index else 0 : self._ends[index]])

    @abstractmethod
    def last_key(self) -> bytes:
        """The key of the last record; those before it need not be looked at."""

    @abstractmethod
    def value(self, key: bytes) -> bytes | memoryview:
        """The record under a key; a view is good until `close`.

        Raises
        ------
        NetdefError: the database is damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Nothing is read afterwards."""

    @abstractmethod
    def _all_keys(self) -> Iterator[bytes]:
        """The keys in their order."""

    def _damaged(self, reason: object) -> NoReturn:
        raise NetdefError(f"the database {self.path} is damaged: {' '.join(str(reason).split())}")


def open_database(path: str, kind: str | None = None) -> Database:
    """Open a database for reading.

    Parameters
    ----------
    kind: LMDB or LEVELDB; None: what is there.

    Raises
    ------
    NetdefError: there is none of that kind, it is damaged or empty, or the package that reads it is not installed.
    """
    there = kind_of(path)
    if there is None:
        wanted = NAMES[kind] if kind else "a database"
        hint = f"an LMDB is a folder with {LMDB_FILE} in it, a LevelDB one with {LEVELDB_FILE}"
        raise NetdefError(f"{path} is not {wanted}", hint=hint)
    if kind not in (None, there):
        raise NetdefError(f"{path} is {NAMES[there]}, not {NAMES[kind or there]}", hint=f"add backend: {there}")
    database = (LmdbDatabase if there == LMDB else LeveldbDatabase)(path)
    if not database.size:
        database.close()
        raise NetdefError(f"the database {path} is empty")
    return database


def kind_of(path: str) -> str | None:
    """LMDB or LEVELDB, if a database is at a path."""
    folder = Path(path)
    if (folder / LMDB_FILE).is_file() or (folder.is_file() and folder.suffix == ".mdb"):
        return LMDB
    return LEVELDB if (folder / LEVELDB_FILE).is_file() else None


def package_for(kind: str, path: str) -> Any:
    """The package that reads and writes a kind of database.

    Raises
    ------
    NetdefError: it is not installed.
    """
    modules, extra = EXTRAS[kind]
    for module in modules:
        with suppress(ImportError):
            return import_module(module)
    raise NetdefError(f"{path} needs {' or '.join(modules)}, which is not installed", hint=install(extra))


def files_with_records(path: str) -> list[Path]:
    """The files of a database that do not change when it is read, sorted."""
    if Path(path).is_file():
        return [Path(path)]
    return sorted(one for one in Path(path).iterdir() if one.name not in NO_RECORDS)


class LmdbDatabase(Database):
    """An LMDB.  It is mapped into memory, without a lock: several processes, read-only disks and foreign files are fine.

    A process that writes to it meanwhile is not: Caffe's tools write a database once.
    """

    def __init__(self, path: str):
        self._lmdb = package_for(LMDB, path)
        self._threads = local()
        self._file = Path(path) / LMDB_FILE if Path(path).is_dir() else Path(path)
        self._env = self._take(os.path.realpath(self._file))
        super().__init__(path, self._env.stat()["entries"])
        whole, there = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"], self._file.stat().st_size
        if there < whole:  # reading beyond the end of a mapped file kills a process
            self.close()
            self._damaged(f"{self._file} has {there:,} of its {whole:,} bytes")

    def _take(self, file: str) -> Any:
        """The environment of a file, which all that read it in this process share."""
        with _environments_lock:
            env, readers = _environments.get(file, (None, 0))
            try:
                env = env or self._lmdb.open(file, subdir=False, readonly=True, lock=False, create=False, max_spare_txns=0)
            except (self._lmdb.Error, OSError) as error:
                raise NetdefError(f"cannot open the database {self._file}: {error}") from None
            _environments[file] = env, readers + 1
            return env

    def value(self, key: bytes) -> memoryview:
        try:
            found = self._reading().get(key)
        except self._lmdb.Error as error:
            self._damaged(error)
        if found is None:
            self._damaged(f"record {key_text(key)} is not there any more")
        return memoryview(found)

    def last_key(self) -> bytes:
        try:
            with self._env.begin() as transaction, transaction.cursor() as cursor:
                cursor.last()
                return bytes(cursor.key())
        except self._lmdb.Error as error:
            self._damaged(error)

    def _reading(self) -> Any:
        """This thread's transaction, which lasts: so do the views that it gives."""
        if not hasattr(self._threads, "transaction"):
            self._threads.transaction = self._env.begin(buffers=True)
        return self._threads.transaction

    def _all_keys(self) -> Iterator[bytes]:
        try:
            with self._env.begin() as transaction:
                yield from transaction.cursor().iternext(keys=True, values=False)
        except self._lmdb.Error as error:
            self._damaged(error)

    def close(self) -> None:
        ending, self._env, self._walk = self._env, None, None
        with _environments_lock:
            for file, (env, readers) in list(_environments.items()):
                if env is ending and readers > 1:
                    _environments[file] = env, readers - 1
                elif env is ending:
                    del _environments[file]
                    env.close()


class LeveldbDatabase(Database):
    """A LevelDB.

    LevelDB cannot open one without writing to its folder, so it is given a folder of its own: with links to the tables, and copies
    of the few small files that it changes.
    """

    def __init__(self, path: str):
        self._plyvel = package_for(LEVELDB, path)
        self._folder = TemporaryDirectory(prefix="netdef-leveldb-")
        try:
            for file in Path(path).iterdir():
                if file.suffix in TABLES:
                    (Path(self._folder.name) / file.name).symlink_to(file.resolve())
                elif file.is_file() and file.name not in ("LOCK", "LOG", "LOG.old"):
                    shutil.copy(file, self._folder.name)
            self._open = self._plyvel.DB(self._folder.name, create_if_missing=False, max_open_files=200)
        except (self._plyvel.Error, OSError) as error:
            self._folder.cleanup()
            reason = str(error).replace(self._folder.name, path)
            raise NetdefError(f"cannot open the database {path}: {reason}") from None
        super().__init__(path, 0)
        try:
            for found in self._all_keys():  # nothing else says how many there are
                self._keys += found
                self._ends.append(len(self._keys))
        except BaseException:
            self.close()
            raise
        self.size = len(self._ends)

    def last_key(self) -> bytes:
        return self.key(self.size - 1)

    def value(self, key: bytes) -> bytes:
        try:
            found: bytes | None = self._open.get(key)
        except self._plyvel.Error as error:
            self._damaged(error)
        if found is None:
            self._damaged(f"record {key_text(key)} is not there any more")
        return found

    def _all_keys(self) -> Iterator[bytes]:
        try:
            with self._open.iterator(include_value=False, verify_checksums=True) as keys:
                yield from keys
        except self._plyvel.Error as error:
            self._damaged(error)

    def close(self) -> None:
        self._open.close()
        self._folder.cleanup()


def key_text(key: bytes) -> str:
    """A key as messages print it."""
    text = key.decode("utf-8", "replace")
    return text if text.isprintable() else repr(key)[1:]
