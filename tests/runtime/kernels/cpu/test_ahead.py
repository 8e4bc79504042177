"""Kernels that several processes compile before a program's first run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import config, typeof

from runtime.kernels.cpu import ahead
from runtime.kernels.cpu.ahead import compile_ahead, helpers
from runtime.kernels.rooms import load_rooms

ARRAY = np.zeros(4, np.float32)
FILL = (0, 1, ARRAY, 1.0)


@pytest.fixture
def compiled_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels that this process would compile, in order."""
    names: list[str] = []
    monkeypatch.setattr(ahead, "_compile", lambda name, types: names.append(name))
    return names


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many other processes were asked for, each time."""
    counts: list[int] = []

    @contextmanager
    def note(count: int, waiting: Any) -> Iterator[list[Any]]:
        counts.append(count)
        yield []

    monkeypatch.setattr(ahead, "helpers", note)
    return counts


@pytest.mark.slow
def test_another_process_compiles_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be compiled keeps it from none of the others."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    types = tuple(map(typeof, FILL))
    waiting = deque([("fill", types[:2]), ("nothing", types), ("fill", types)])
    with helpers(1, waiting) as threads:
        threads[0].join()
    assert not waiting
    assert len([*tmp_path.glob("arithmetic_*/cpu.fill-*.nbc")]) == 1


def test_a_process_that_ends_leaves_the_rest_to_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "SERVE", "pass")
    waiting = deque([("fill", ())] * 3)
    with helpers(1, waiting) as threads:
        threads[0].join()
    assert len(waiting) == 2


@pytest.mark.parametrize("known,others", [(0, [2]), (7, [1]), (9, [])])
def test_each_process_has_several_kernels(
    known: int, others: list[int], compiled_here: list[str], started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_rooms("cpu")
    names = [f"kernel{number}" for number in range(20)]
    monkeypatch.setattr(ahead, "unknown", lambda calls: list(calls)[known:])
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 8)
    compile_ahead(((name, FILL) for name in names), 8)
    assert started == others
    assert compiled_here == (names[known:] if others else [])


@pytest.mark.parametrize("threads,limit", [(1, 8), (8, 1)])
def test_one_thread_starts_no_process(
    threads: int, limit: int, compiled_here: list[str], started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "unknown", list)
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", limit)
    compile_ahead(((f"kernel{number}", FILL) for number in range(40)), threads)
    assert started == compiled_here == []
