"""Work in compiled code: every item once, with the arguments that Python gives, whoever waits, sleeps or fails."""

from typing import NamedTuple

import numpy as np
import pytest

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.native import entry
from runtime.machine.cpu import workers as workers_module
from runtime.machine.cpu.workers import Compiled, Job, Workers, chunks_of


class Pair(NamedTuple):
    first: int
    flag: bool


@jit
def count_items(begin, end, counts, table, pair, factor, flag):
    """counts[i] += a number that all arguments decide."""
    for i in range(begin, end):
        if counts[i] < 0:
            raise ValueError("a number below zero")
        counts[i] += table[1, i % 3] * factor + pair.first * 10 + (100 if pair.flag else 0) + (1000 if flag else 0)


def compiled_work(counts: np.ndarray, threads: int) -> Compiled:
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    arguments = (counts, table, Pair(7, True), 0.5, False)
    found = entry(count_items, (0, counts.size, *arguments))
    assert found is not None
    blocks = [found.block(arguments) for _ in range(threads)]

    def piece(worker: int, begin: int, end: int) -> None:
        count_items(begin, end, *arguments)

    return Compiled(piece, Job(found.code, blocks, chunks_of(counts.size, threads)))


def expected(items: int, runs: int) -> np.ndarray:
    return runs * (np.array([3, 4, 5])[np.arange(items) % 3] * 0.5 + 170)


@pytest.mark.parametrize("turns", [0, 3, 2000])
@pytest.mark.parametrize(("threads", "items"), [(1, 13), (2, 1), (2, 1000), (7, 5), (7, 1000)])
def test_every_item_is_computed_once(threads: int, items: int, turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether helpers wait or sleep in between, and whether Python's work comes between."""
    monkeypatch.setattr(workers_module, "TURNS", turns)
    monkeypatch.setattr(workers_module, "available_cores", lambda: threads)
    workers, counts = Workers(threads), np.zeros(items)
    work, done = compiled_work(counts, threads), []
    for run in range(1, 51):
        workers.run(work, items)
        np.testing.assert_array_equal(counts, expected(items, run))
        if run % 3 == 0:
            done.clear()
            workers.run(lambda _, begin, end: done.extend(range(begin, end)), items)
            assert sorted(done) == list(range(items))
    workers.close()


def test_no_items_are_no_work() -> None:
    workers = Workers(2)
    workers.run(lambda _, begin, end: None, 0)
    workers.close()


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_what_a_piece_raises_is_raised_and_the_workers_live_on(threads: int) -> None:
    workers, counts = Workers(threads), np.zeros(100)
    work = compiled_work(counts, threads)
    for _ in range(3):
        counts[:] = 0
        counts[60] = -1
        with pytest.raises(ValueError, match="below zero"):
            workers.run(work, counts.size)
        counts[:] = 0
        workers.run(work, counts.size)
        np.testing.assert_array_equal(counts, expected(100, 1))
    workers.close()


def test_a_failure_that_does_not_come_again_is_said() -> None:
    workers, counts = Workers(1), np.full(3, -1.0)
    work = compiled_work(counts, 1)
    work.piece = lambda worker, begin, end: None
    with pytest.raises(RuntimeError, match="failed once"):
        workers.run(work, 3)
    workers.close()


def test_an_interrupted_run_leaves_helpers_that_work_again() -> None:
    workers, counts = Workers(3), np.zeros(1000)
    work = compiled_work(counts, 3)
    workers.run(work, counts.size)
    workers._leave()  # what an interrupt does
    for run in range(2, 12):
        workers.run(work, counts.size)
        np.testing.assert_array_equal(counts, expected(1000, run))
    workers.close()


def test_python_kernels_and_other_arguments_have_no_entry() -> None:
    assert entry(lambda begin, end, x: None, (0, 1, np.zeros(1))) is None

    @jit
    def named(begin, end, text):
        pass

    assert entry(named, (0, 1, "text")) is None
