"""Databases opened for reading: what is read, what is never written, and what is wrong with one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest

from netdef import NetdefError
from netdef.cli.main import run
from netdef.language.extras import install
from runtime.data.database import key_text, kind_of, open_database, package_for
from tests.runtime.data.databases import WRITERS, numbered, raw, write_lmdb

RECORDS = numbered([b"value %d" % n * 50 for n in range(300)])


@pytest.fixture(params=sorted(WRITERS))
def database(request, tmp_path):
    """The kind of a database and its path."""
    return request.param, WRITERS[request.param](tmp_path / "db", RECORDS)


def snapshot(path):
    """The names, sizes and times of a folder's files."""
    return {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in Path(path).iterdir()}


def test_records_come_in_the_order_of_their_keys(database):
    kind, path = database
    assert kind_of(path) == kind
    opened = open_database(path, kind)
    assert opened.size == 300
    for index in (7, 0, 299, 150):
        key = opened.key(index)
        assert key == list(RECORDS)[index] and bytes(opened.value(key)) == RECORDS[key]
    opened.close()


def test_an_open_database_is_not_written(database):
    kind, path = database
    (Path(path) / "lock.mdb").unlink(missing_ok=True)
    before = snapshot(path)
    first, second = open_database(path, kind), open_database(path)  # two at a time
    assert bytes(first.value(first.key(5))) == bytes(second.value(second.key(5)))
    first.close()
    second.close()
    assert snapshot(path) == before


@pytest.mark.slow
def test_two_processes_read_one(tmp_path):
    path = write_lmdb(tmp_path / "db", RECORDS)
    code = f"from runtime.data.database import open_database as o; d = o({path!r}); print(bytes(d.value(d.key(3)))[:7].decode())"
    opened = open_database(path)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "value 3\n" and bytes(opened.value(opened.key(3))).startswith(b"value 3")
    opened.close()


def test_a_folder_without_permission_to_write(database):
    kind, path = database
    Path(path).chmod(0o555)
    try:
        opened = open_database(path, kind)
        assert opened.size == 300
        opened.close()
    finally:
        Path(path).chmod(0o755)


def test_an_lmdb_whose_lock_cannot_be_written(tmp_path):
    path = write_lmdb(tmp_path / "db", RECORDS)
    (tmp_path / "db" / "lock.mdb").unlink()
    (tmp_path / "db" / "lock.mdb").mkdir()  # which stops root too
    with pytest.raises(lmdb.Error):
        lmdb.open(path, readonly=True)  # as Caffe does
    opened = open_database(path)
    assert bytes(opened.value(opened.key(299))) == b"value 299" * 50
    opened.close()


def test_an_lmdb_that_another_process_holds_open_for_writing(tmp_path):
    path = write_lmdb(tmp_path / "db", RECORDS)
    code = f"import lmdb; t = lmdb.open({path!r}).begin(write=True); t.put(b'new', b'x'); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        opened = open_database(path)
        assert opened.size == 300 and bytes(opened.value(opened.key(0))).startswith(b"value 0")
        opened.close()
        other.communicate("\n")
    assert other.returncode == 0


def test_the_file_of_an_lmdb(tmp_path):
    opened = open_database(write_lmdb(tmp_path / "db", RECORDS) + "/data.mdb")
    assert opened.size == 300 and opened.key(2) == b"00000002_image"
    opened.close()


def test_a_truncated_lmdb(tmp_path):
    path = write_lmdb(tmp_path / "db", RECORDS)
    file = Path(path) / "data.mdb"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NetdefError, match=rf"{path} is damaged: .*has [\d,]+ of its {len(whole):,} bytes"):
        open_database(path)
    for size in (0, 100):
        file.write_bytes(whole[:size])
        with pytest.raises(NetdefError, match=f"cannot open the database {path}"):
            open_database(path)
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(NetdefError, match="not an LMDB"):
        open_database(path)


def test_a_damaged_leveldb(tmp_path):
    path = WRITERS["LEVELDB"](tmp_path / "db", RECORDS)
    next(Path(path).glob("MANIFEST*")).write_bytes(b"nothing")
    with pytest.raises(NetdefError, match=f"cannot open the database {path}: "):
        open_database(path)


def test_what_is_no_database(database, tmp_path):
    kind, path = database
    other = next(name for name in WRITERS if name != kind)
    with pytest.raises(NetdefError, match=f"not an? {other}".lower().replace("leveldb", "LevelDB").replace("lmdb", "LMDB")):
        open_database(path, other)
    with pytest.raises(NetdefError, match="is not a database"):
        open_database(str(tmp_path))
    lmdb.open(str(tmp_path / "none")).close()
    with pytest.raises(NetdefError, match="is empty"):
        open_database(str(tmp_path / "none"))


class PlyvelNext:
    """plyvel-next as its _plyvel.pyx (2.1.2) declares it, with only what plyvel 1.5 has too; it makes no database unasked."""

    def __init__(self, package):
        self.Error, self.opened = package.Error, []

        def database(name, *, create_if_missing=False, write_buffer_size=None, max_open_files=None):
            options = {"write_buffer_size": write_buffer_size, "max_open_files": max_open_files}
            self.opened.append(package.DB(name, create_if_missing=create_if_missing, **options))
            return self.of(self.opened[-1])

        self.DB = database

    @staticmethod
    def of(opened):
        return SimpleNamespace(
            get=lambda key: opened.get(key),
            put=lambda key, value: opened.put(key, value),
            close=opened.close,
            iterator=lambda *, include_value=True, verify_checksums=False: opened.iterator(
                include_value=include_value, verify_checksums=verify_checksums
            ),
            write_batch=lambda *, sync=False: opened.write_batch(sync=sync),
        )


def test_plyvel_next_is_taken_where_plyvel_is_not_there(tmp_path, monkeypatch):
    fake = PlyvelNext(package_for("LEVELDB", ""))
    monkeypatch.setitem(sys.modules, "plyvel", None)
    monkeypatch.setitem(sys.modules, "plyvel_next", fake)
    lmdb_path = write_lmdb(tmp_path / "a", numbered([raw(label) for label in range(5)]))
    assert run(["data", "convert", lmdb_path, str(tmp_path / "b"), "--backend", "leveldb"]) == 0
    opened = open_database(str(tmp_path / "b"))
    assert opened.size == 5 and opened.last_key() == b"00000004_image" and bytes(opened.value(opened.key(3))) == raw(3)
    opened.close()
    assert len(fake.opened) == 2


@pytest.mark.parametrize(("kind", "packages"), [("LMDB", ["lmdb"]), ("LEVELDB", ["plyvel", "plyvel_next"])])
def test_a_package_that_is_missing(kind, packages, tmp_path, monkeypatch):
    path = WRITERS[kind](tmp_path / "db", RECORDS)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(NetdefError, match=rf"needs {' or '.join(packages)}, which is not installed") as caught:
        open_database(path)
    assert str(caught.value.diagnostics[0].hint) == install(kind.lower())


def test_keys_in_messages():
    assert key_text(b"00000012_cat.jpg") == "00000012_cat.jpg" and key_text(b"\x00\x01") == r"'\x00\x01'"
