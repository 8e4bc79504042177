"""Worker threads: every item once, whatever the cutting, and failures come out."""

import threading

import pytest

from runtime.machine.cpu.device import Workers


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
