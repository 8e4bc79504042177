"""A file is replaced whole or not at all."""

import errno
import os
import subprocess
import sys

import pytest

from netdef import NetdefError
from runtime.machine import files
from runtime.machine.files import replacing


def test_the_new_file_takes_the_name(tmp_path):
    path = tmp_path / "deep" / "snap"
    with replacing(path) as beside:
        beside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["snap"]


def test_a_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "snap"
    path.write_text("old")
    with pytest.raises(NetdefError, match=r"No space left.*still whole"), replacing(path) as beside:
        beside.write_text("ne")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["snap"]


def test_an_interrupt_keeps_the_old_file(tmp_path):
    path = tmp_path / "snap"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as beside:
        beside.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["snap"]


def test_synced_before_it_is_renamed(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(files, "sync", lambda path: order.append(("sync", path.name)))
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(("rename", os.path.basename(b))), real(a, b)))
    with replacing(tmp_path / "snap") as beside:
        beside.write_text("x")
    assert order == [("sync", ".snap.partial"), ("rename", "snap"), ("sync", tmp_path.name)]


LIMITED = """
import numpy as np, resource, signal, sys
from types import SimpleNamespace
from netdef import NetdefError
from runtime.machine.weights import write_weights
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from netdef.schema import message_class
layer = SimpleNamespace(name="ip", message=message_class("LayerParameter")(name="ip"))
layer.parameters = [SimpleNamespace(index=0, shape=(64, 64))]
net = SimpleNamespace(name="n", layers=[layer])
try:
    write_weights(sys.argv[1], net, lambda layer, index: np.zeros((64, 64), np.float32))
except NetdefError as error:
    print(error)
    sys.exit(7)
"""


def test_weights_that_do_not_fit_on_the_disk(tmp_path):
    """A real failing write, half way through a blob: the operating system's limit on a file's size."""
    path = tmp_path / "snap.caffemodel"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "cannot write" in done.stdout and str(path) in done.stdout
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["snap.caffemodel"]


def test_no_permission(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(NetdefError, match="cannot write"), replacing(blocked / "snap") as beside:
        beside.write_text("x")
