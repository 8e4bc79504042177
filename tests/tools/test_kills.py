"""Killed runs: what is said of a run's end."""

from pathlib import Path

from tools import kills


def test_a_run_without_its_last_weights_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    last = Path(f"run/small_iter_{kills.LAST}.caffemodel")
    last.with_suffix(".solverstate").touch()  # nothing is resumed
    assert kills.complaint("run", "a hash") == "no weights of the last iteration"
    last.write_bytes(b"x")
    assert kills.complaint("run", "a hash") == "other weights"
    assert kills.complaint("run", kills.weights("run")) == ""
