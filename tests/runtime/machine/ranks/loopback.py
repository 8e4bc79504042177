"""Ranks that are threads of this process: a transport of queues, with messages as late as a test wants."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from runtime.machine.ranks.ranks import Ranks
from runtime.machine.ranks.transport import LostError

T = TypeVar("T")


@dataclass
class Mail:
    """What is under way between all ranks: arrays by (from, to, tag), notices by receiver."""

    size: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    arrays: dict[tuple[int, int, int], deque[Any]] = field(default_factory=dict)
    notices: dict[int, deque[tuple[int, bytes]]] = field(default_factory=dict)
    aborted: list[int] = field(default_factory=list)
    sent: list[tuple[int, int, int]] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)  # ranks whose messages go nowhere
    gone: set[int] = field(default_factory=set)  # ranks that were killed; all others learn it
    next: Mail | None = None  # of those that are left
    nodes: Sequence[int] = ()  # by rank, its node; default: all on one
    sums: list[dict[int, tuple[int, Sent]]] = field(default_factory=list)  # by turn and rank: its root and array


class Sent:
    """An array under way; done when it has been copied."""

    def __init__(self, array: np.ndarray):
        self.array, self.done = array, False


class Loopback:
    """The transport of one rank.  late: asked before a message is looked at whether it is not there yet."""

    def __init__(self, mail: Mail, rank: int, late: Callable[[], bool] = lambda: False):
        self.mail, self.rank, self.size, self._late = mail, rank, mail.size, late
        self.node = mail.nodes[rank] if mail.nodes else 0
        self._sums = 0

    def send(self, array: np.ndarray, to: int, tag: int) -> Any:
        sent = Sent(array)
        with self.mail.lock:
            self.mail.arrays.setdefault((self.rank, to, tag), deque()).append(sent)
            self.mail.sent.append((self.rank, to, array.nbytes))
        return lambda: sent.done

    def receive(self, array: np.ndarray, source: int, tag: int) -> Any:
        def arrived() -> bool:
            with self.mail.lock:
                waiting = self.mail.arrays.get((source, self.rank, tag))
                if not waiting or self._late():
                    return False
                sent = waiting.popleft()
                assert sent.array.nbytes == array.nbytes, f"{sent.array.nbytes} bytes sent, {array.nbytes} expected"
                array[...] = sent.array
                sent.done = True
                return True

        return arrived

    def add_up(self, array: np.ndarray, root: int) -> Any:
        """The sum is made in the order of the last rank to the first."""
        mine = Sent(array)
        with self.mail.lock:
            turn, self._sums = self._sums, self._sums + 1
            if turn == len(self.mail.sums):
                self.mail.sums.append({})
            there = self.mail.sums[turn]
            there[self.rank] = root, mine

        def arrived() -> bool:
            with self.mail.lock:
                if len(there) == self.size and not mine.done and not self._late():
                    assert len({(root, one.array.size) for root, one in there.values()}) == 1, "ranks add up other arrays"
                    there[root][1].array[...] = sum(there[rank][1].array for rank in reversed(range(self.size)))
                    for _, one in there.values():
                        one.done = True
                return mine.done

        return arrived

    def done(self, handles: Sequence[Any]) -> list[int]:
        self._check()
        return [index for index, handle in enumerate(handles) if handle()]

    def notify(self, message: bytes, to: int) -> None:
        with self.mail.lock:
            if self.rank in self.mail.dead:
                return
            self.mail.notices.setdefault(to, deque()).append((self.rank, message))

    def _check(self) -> None:
        if self.mail.gone:
            raise LostError("a rank is gone", gone=True)

    def notice(self) -> tuple[int, bytes] | None:
        self._check()
        with self.mail.lock:
            waiting = self.mail.notices.get(self.rank)
            return waiting.popleft() if waiting and not self._late() else None

    def abort(self, code: int) -> None:
        self.mail.aborted.append(code)

    def survivors(self) -> tuple[Loopback, list[int]]:
        left = [rank for rank in range(self.size) if rank not in self.mail.gone]
        with self.mail.lock:
            nodes = [self.mail.nodes[rank] for rank in left] if self.mail.nodes else []
            self.mail.next = self.mail.next or Mail(len(left), nodes=nodes)
        return Loopback(self.mail.next, left.index(self.rank)), sorted(self.mail.gone)

    def close(self) -> None:
        pass


def on_ranks(
    size: int,
    work: Callable[[Ranks], T],
    late: Callable[[], bool] = lambda: False,
    mail: Mail | None = None,
    ping: float = 2.0,
) -> list[T]:
    """What `work` returns on each of some ranks, all at once; an error is an entry too, once all others know of it."""
    mail, results = mail or Mail(size), [None] * size

    def run(rank: int) -> None:
        ranks = Ranks(Loopback(mail, rank, late), host="here", ping=ping)
        try:
            results[rank] = work(ranks)
        except BaseException as error:
            ranks.fail(error)
            results[rank] = error
        finally:
            ranks.close()

    threads = [threading.Thread(target=run, args=(rank,), name=f"rank-{rank}") for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
