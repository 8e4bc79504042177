"""A file is replaced whole or not at all."""

import errno
import os

import pytest

from netdef import NetdefError
from netdef.language import writing
from netdef.language.writing import replacing


def test_the_new_file_takes_the_name(tmp_path):
    path = tmp_path / "deep" / "snap"
    with replacing(path, make_folders=True) as beside:
        beside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["snap"]


def test_a_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "snap"
    path.write_text("old")
    with pytest.raises(NetdefError, match=r"No space left.*still whole"), replacing(path, make_folders=True) as beside:
        beside.write_text("ne")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["snap"]


def test_an_interrupt_keeps_the_old_file(tmp_path):
    path = tmp_path / "snap"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path, make_folders=True) as beside:
        beside.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["snap"]


def test_synced_before_it_is_renamed(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(writing, "sync", lambda path: order.append(("sync", path.name)))
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(("rename", os.path.basename(b))), real(a, b)))
    with replacing(tmp_path / "snap") as beside:
        beside.write_text("x")
    assert order == [("sync", ".snap.partial"), ("rename", "snap"), ("sync", tmp_path.name)]


def test_no_permission(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(NetdefError, match="cannot write"), replacing(blocked / "snap", make_folders=True) as beside:
        beside.write_text("x")


def test_a_link_prepared_by_somebody_else_is_not_written_through(tmp_path):
    (tmp_path / "mine").write_text("private")
    (tmp_path / ".snap.partial").symlink_to(tmp_path / "mine")
    with replacing(tmp_path / "snap") as beside:
        beside.write_text("new")
    assert (tmp_path / "mine").read_text() == "private"
    assert (tmp_path / "snap").read_text() == "new" and not (tmp_path / "snap").is_symlink()


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    with pytest.raises(NetdefError, match="another process is writing it"), replacing(tmp_path / "snap") as beside:
        beside.write_text("first")
        with replacing(tmp_path / "snap") as other:
            other.write_text("second")
        (tmp_path / ".snap.partial").write_text("of a third")
    assert (tmp_path / "snap").read_text() == "second"
    assert (tmp_path / ".snap.partial").exists()


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    """Its names cannot be synced; the file is written all the same."""

    def refused(path):
        if path.is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(writing, "sync", refused)
    with replacing(tmp_path / "deep/er/snap", make_folders=True) as beside:
        beside.write_text("x")
    assert (tmp_path / "deep/er/snap").read_text() == "x"
