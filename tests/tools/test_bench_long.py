"""What a long run counts as growing."""

import importlib

import pytest

from tests.paths import ROOT

MB = 1 << 20


@pytest.fixture
def grows(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("bench_long").grows


def points(memory=(9,) * 10, threads=(3,) * 10, files=(5,) * 10):
    return [(MB * size, *counts) for size, *counts in zip(memory, threads, files, strict=True)]


def test_warming_up_and_one_point_alone_are_no_growth(grows):
    assert not grows(points(), MB)
    assert not grows(points(memory=[1, 4, 8, 9, 9, 9, 9, 9, 9, 9]), MB)
    assert not grows(points(memory=[9] * 8 + [30, 9], threads=[3] * 9 + [4], files=[5] * 7 + [6, 5, 5]), MB)


@pytest.mark.parametrize("what", ["memory", "threads", "files"])
@pytest.mark.parametrize("values", [range(10, 20), [9] * 6 + [11] * 4])
def test_what_rises_grows(what, values, grows):
    assert grows(points(**{what: values}), MB)
