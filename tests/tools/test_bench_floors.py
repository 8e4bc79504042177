"""The table of floors: what a file has is not measured again, and what is missing is said."""

import importlib

import pytest

from tests.paths import ROOT


@pytest.fixture
def floors(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("bench_floors")


def test_a_run_goes_on_where_another_ended(floors, tmp_path):
    path, keys = tmp_path / "rows.jsonl", floors.wanted(["alexnet"], 2)
    row = floors.Row(rate=10.0, ratio=2.0, gemm=2e11, share=0.5, peak=2.0**30, peak_share=0.8)
    asked, turns = [], iter([True, True, False])
    floors.fill(keys, path, lambda key: asked.append(key) or row, lambda: next(turns))
    assert asked == keys[:2]
    path.write_text(path.read_text()[:-30])  # as a process that was killed leaves it
    rows = floors.fill(keys, path, lambda key: asked.append(key) or row, lambda: True)
    assert asked == [*keys[:2], *keys[1:]] and list(floors.read_rows(path)) == list(rows) == keys


def test_the_table_says_what_is_met_and_what_is_missing(floors):
    (first, second, third, *_) = keys = floors.wanted(["alexnet"], 2)
    fast = floors.Row(rate=10.0, ratio=3.6, gemm=2e11, share=0.5, peak=2.0**30, peak_share=0.5)
    slow = floors.Row(rate=10.0, ratio=1.0, gemm=2e11, share=0.5, peak=2.0**30, peak_share=0.8)
    lines = floors.table(keys, {first: fast, second: slow})
    assert lines[2].endswith("| 14% | 3.5 | yes |") and lines[3].endswith("| 50% | 2.2 | no: speed, memory |")
    assert len(lines) == 5 and lines[4].startswith(f"not measured yet: alexnet 8 {third[2]}, ")
    assert "not measured" not in floors.table(keys[:1], {first: fast})[-1]


def test_a_program_that_is_not_installed_is_no_row(floors, tmp_path, capsys):
    assert floors.fill(floors.wanted(["lenet"], 1), tmp_path / "rows", lambda key: None, lambda: True) == {}
    assert "PyTorch is not installed" in capsys.readouterr().err and not (tmp_path / "rows").exists()
