"""A limit of the address space that leaves no room for the compiler ends in a message, not in LLVM's abort."""

import resource
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from netdef import NetdefError
from runtime.kernels.cpu import room
from tests.paths import ROOT

TEXT = """
import resource, sys
from netdef.cli.main import run
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
sys.exit(run(["time", "lenet", "--iterations", "1", "--devices", "cpu:0"]))
"""


@pytest.fixture
def limited(monkeypatch):
    """Sets how many bytes of addresses are left."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

    def limit(left):
        room.check_room.cache_clear()
        most = used + left if left is not None else resource.RLIM_INFINITY
        monkeypatch.setattr(room.resource, "getrlimit", lambda _: (most, most))

    yield limit
    room.check_room.cache_clear()


def test_room(limited):
    for left in (None, 1 << 40):
        limited(left)
        room.check_room(256 << 20, "compiling kernels")
    limited(100 << 20)
    text = r"this process may take \d+ MiB more of addresses \(ulimit -v\); compiling kernels needs 256 MiB"
    with pytest.raises(NetdefError, match=text):
        room.check_room(256 << 20, "compiling kernels")


def test_a_command_without_room():
    ran = subprocess.run([sys.executable, "-c", TEXT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and "more of addresses (ulimit -v); loading LLVM needs 320 MiB" in ran.stderr, ran.stderr


@pytest.mark.parametrize(("given", "right"), [(None, True), ("1", True), (" 64 ", True), ("0", False), ("-1", False), ("", False)])
def test_threads(given, right, monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", given)
    with nullcontext() if right else pytest.raises(NetdefError, match=r"NUMBA_NUM_THREADS is .*, which is no number of threads"):
        room.check_threads.__wrapped__()


def test_a_command_without_threads(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "many")
    words = [sys.executable, "-m", "netdef", "time", "lenet", "--iterations", "1", "--devices", "cpu:0"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and "NUMBA_NUM_THREADS is 'many'" in ran.stderr and "Traceback" not in ran.stderr, ran.stderr
