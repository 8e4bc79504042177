"""The fuzzer: a few inputs of each reader, from a fixed seed, none of which may end in anything but a result or a NetdefError."""

import dataclasses
import importlib
import json
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
    counts = counts_of(fuzz(tmp_path, "--inputs", os.environ.get("NETDEF_FUZZ_INPUTS", "240"), "--seed", "1"))
    assert len(counts) == 24 and min(counts.values()) >= 2


def test_readers_take_turns(tmp_path):
    names, counted = ["caffemodel", "solverstate", "record", "list", "side"], tmp_path / "counts.json"
    counted.write_text('{"list": 7, "onnx": 1}')
    counts = counts_of(fuzz(tmp_path, "--inputs", "12", "--readers", ",".join(names), "--counts", counted))
    assert counts == dict(zip(names, (3, 3, 2, 2, 2), strict=True))
    assert json.loads(counted.read_text()) == {**counts, "list": 9, "onnx": 1}


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """The fuzzer's modules, and a function that makes one of them for a reader of labels."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    module, worker, readers = (importlib.import_module(name) for name in ("fuzz", "fuzz_worker", "fuzz_readers"))

    def made(read, seconds=10.0):
        monkeypatch.setitem(readers.READERS, "labels", dataclasses.replace(readers.READERS["labels"], read=read))
        return module.Fuzzer(["labels"], 1, tmp_path / "findings", worker.Limits(seconds, 1.0))

    return module, made


def found(folder, fuzzer, count):
    (folder / "inputs").mkdir()
    fuzzer.turn("labels", count, folder / "inputs")
    (kept,) = (folder / "findings").iterdir()
    (line,) = fuzzer.findings
    return kept.read_bytes(), line


def test_a_finding_is_kept(tmp_path, tools, capsys):
    def fails(path, _):
        if b"cat" not in path.read_bytes():
            raise ZeroDivisionError

    module, made = tools
    fuzzer = made(fails)
    data, line = found(tmp_path, fuzzer, 100)
    assert b"cat" not in data and "ZeroDivisionError" in line
    assert module.report(fuzzer, 1) == 1
    assert "100 inputs" in capsys.readouterr().out


def test_what_ends_the_process_is_a_finding(tmp_path, tools):
    def ends(path, _):
        if b"cat" not in path.read_bytes():
            os.abort()

    fuzzer = tools[1](ends)
    data, line = found(tmp_path, fuzzer, 100)
    assert b"cat" not in data and "SIGABRT" in line
    begun = fuzzer.tallies["labels"].inputs
    assert 0 < begun < 100
    fuzzer.turn("labels", 1, tmp_path / "inputs")  # the next input, not that one again
    assert fuzzer.tallies["labels"].inputs == begun + 1


@pytest.mark.parametrize("words", [["--readers", "labels,lables"], ["--inputs", "0"]])
def test_wrong_options(words, tools, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fuzz.py", *words])
    with pytest.raises(SystemExit) as ended:
        tools[0].main()
    assert ended.value.code == 2
    assert ("lables" if "labels,lables" in words else "--inputs") in capsys.readouterr().err
