"""The fuzzer: a few inputs of each reader, from a fixed seed, none of which may end in anything but a result or a NetdefError."""

import dataclasses
import importlib
import os
import re
import subprocess
import sys

import pytest

from tests.paths import ROOT


def fuzz(folder, *words):
    words = [sys.executable, ROOT / "tools" / "fuzz.py", "--keep", folder / "findings", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def counts_of(run):
    """Inputs by reader, of a run without a finding."""
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].endswith(" 0 findings")
    return {name: int(count) for name, count in re.findall(r"^(\S+) +(\d+) inputs", run.stdout, re.MULTILINE)}


@pytest.mark.slow
def test_every_reader(tmp_path):
    counts = counts_of(fuzz(tmp_path, "--inputs", os.environ.get("NETDEF_FUZZ_INPUTS", "160"), "--seed", "1"))
    assert len(counts) == 19 and min(counts.values()) >= 2


def test_readers_take_turns(tmp_path):
    names = ["caffemodel", "solverstate", "record", "list", "side"]
    counts = counts_of(fuzz(tmp_path, "--inputs", "12", "--seed", "1", "--readers", ",".join(names)))
    assert counts == dict(zip(names, (3, 3, 2, 2, 2), strict=True))


def test_a_finding_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "tools")
    fuzz = importlib.import_module("fuzz")
    readers = importlib.import_module("fuzz_readers").READERS

    def fails(path, _):
        if b"cat" not in path.read_bytes():
            raise ZeroDivisionError

    monkeypatch.setitem(readers, "labels", dataclasses.replace(readers["labels"], read=fails))
    fuzzer = fuzz.Fuzzer(["labels"], 1, tmp_path / "findings", 10)
    for _ in range(100):
        fuzzer.one(tmp_path)
    assert fuzz.report(fuzzer, 1) == 1
    assert "100 inputs" in capsys.readouterr().out and len(fuzzer.findings) == 1
    assert b"cat" not in next((tmp_path / "findings").iterdir()).read_bytes()
