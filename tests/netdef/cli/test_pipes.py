"""A reader that leaves: what a command writes to files does not depend on it."""

import os
import sys
from pathlib import Path

import pytest

from netdef.cli.main import run
from netdef.cli.pipes import Output, ReaderLeftError
from tests.runtime.solver.nets import IMAGES, SOLVER


@pytest.fixture
def closed():
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run_unread(monkeypatch, stream, words):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        return run(words)


def test_a_command_writes_its_files_though_nobody_reads(monkeypatch, closed):
    Path("small.net").write_text(IMAGES)
    Path("solver.txt").write_text(SOLVER)
    words = ["rates", "small.net", "solver.txt", "--iterations", "20", "--devices", "cpu", "--threads", "1"]
    assert run_unread(monkeypatch, closed, words) == 0
    assert Path("small-rates.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("words", "code"), [(["shapes", "lenet"], 0), (["diff", "lenet", "alexnet", "--phase", "test"], 1), (["shapes", "none.net"], 2)]
)
def test_the_exit_code_is_that_of_a_command_that_is_read(monkeypatch, closed, words, code):
    assert run_unread(monkeypatch, closed, words) == code


def test_a_command_that_only_prints_may_end(closed):
    stream = Output(closed, lambda: True)
    with pytest.raises(ReaderLeftError):
        print("a line", file=stream, flush=True)
    print("another goes nowhere", file=stream, flush=True)
