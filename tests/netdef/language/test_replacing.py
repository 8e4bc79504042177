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
