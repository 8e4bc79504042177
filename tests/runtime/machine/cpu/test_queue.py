"""Worker threads: every item once, whatever the cutting, and failures come out."""

import os
import signal
import threading
import time

import pytest

from runtime.machine.cpu.workers import Workers


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("items", [0, 1, 2, 13, 1000])
def test_every_item_is_done_once(threads: int, items: int) -> None:
    workers = Workers(threads)
    done: list[int] = []
    workers.run(lambda _, begin, end: done.extend(range(begin, end)), items)
    workers.close()
    assert sorted(done) == list(range(items))


def test_workers_have_their_own_numbers() -> None:
    workers = Workers(3)
    seen: dict[int, set[int]] = {}
    barrier = threading.Barrier(3, timeout=30)

    def work(worker: int, begin: int, end: int) -> None:
        if begin < 3:
            barrier.wait()  # so that each of the three takes one
        seen.setdefault(worker, set()).add(threading.get_ident())

    workers.run(work, 3)
    workers.close()
    assert sorted(seen) == [0, 1, 2]
    assert len(set.union(*seen.values())) == 3


def test_a_failure_in_any_worker_is_raised_and_the_workers_live_on() -> None:
    workers = Workers(2)

    def fail(worker: int, begin: int, end: int) -> None:
        if begin <= 5 < end:
            raise RuntimeError("item 5")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="item 5"):
            workers.run(fail, 100)
    done: list[int] = []
    workers.run(lambda _, begin, end: done.extend(range(begin, end)), 10)
    workers.close()
    assert sorted(done) == list(range(10))


def test_an_interrupted_run_ends_before_the_next_one_returns() -> None:
    workers, held, here = Workers(2), threading.Event(), threading.Event()
    late: list[int] = []

    def slow(worker: int, begin: int, end: int) -> None:
        if worker:
            here.set()
            held.wait(30)
            late.append(begin)
        else:
            here.wait(30)  # so that the helper takes one

    def interrupt() -> None:
        here.wait(30)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            workers.run(slow, 2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not late  # it was not waited for
    threading.Timer(0.2, held.set).start()
    done: list[int] = []
    workers.run(lambda _, begin, end: (time.sleep(0.01), done.extend(range(begin, end))), 16)
    assert late and sorted(done) == list(range(16))
    workers.close()
