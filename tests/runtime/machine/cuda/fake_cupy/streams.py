"""Streams that run late and in the most hostile order that events allow.

Nothing that is put on a stream runs before somebody waits for it, or before the scheduler, by its seed, is in the mood to let one
stream race ahead while the others stand still.  Whatever a program forgets to order will then happen in the wrong order.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from threading import Condition, RLock, get_ident

MOOD = 12  # operations after which the scheduler takes another mood, on average


class DeadlockError(Exception):
    """Something waits for what will never be done."""


class Operation:
    """Work on a stream of a card.  after: operations of other streams that come first."""

    def __init__(self, run: Callable[[], None], after: Iterable[Operation], what: str, device: int):
        self.run, self.after, self.what, self.device = run, tuple(after), what, device
        self.done = False


class Capture:
    """What was put on a stream since a capture began.

    broken: something was done that must not be captured.  thread: which began it, and which alone it concerns: ranks are threads.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.broken = False
        self.thread = get_ident()


class Queue:
    """What was put on one stream and has not run.  capture: the one that has begun, if any."""

    def __init__(self, name: str, device: int):
        self.name, self.device = name, device
        self.waiting: deque[Operation] = deque()
        self.last: Operation | None = None
        self.capture: Capture | None = None

    @property
    def ready(self) -> bool:
        return bool(self.waiting) and all(operation.done for operation in self.waiting[0].after)


class Scheduler:
    """Decides which stream's next operation runs when.

    Parameters
    ----------
    seed: None runs everything at once, in the order it was put there.
    """

    def __init__(self, seed: int | None):
        self._random, self._eager = random.Random(seed), seed is None
        self._favourite: Queue | None = None  # runs as soon as it can
        self._last: Queue | None = None  # runs when nothing else can
        self.queues: list[Queue] = []
        self.lock = RLock()
        self.patience = 0.0  # seconds to wait for other threads where nothing can run
        self._put = Condition(self.lock)
        self.ran = 0
        self.failures: dict[int, BaseException] = {}  # by card, which does nothing more until somebody waits for it
        self.asleep = False  # nothing runs before somebody waits

    def queue(self, name: str, device: int) -> Queue:
        made = Queue(name, device)
        with self.lock:
            self.queues.append(made)
        return made

    def put(self, queue: Queue, run: Callable[[], None], what: str, after: Iterable[Operation] = ()) -> Operation:
        """Append an operation; some of what waits may run, or nothing."""
        with self.lock:
            operation = Operation(run, after, what, queue.device)
            if queue.capture is not None:
                queue.capture.operations.append(operation)
                return operation
            queue.waiting.append(operation)
            queue.last = operation
            self._put.notify_all()
            if self._eager:
                self.finish(operation)
            elif not self.asleep:
                self._race()
            return operation

    def finish(self, operation: Operation | None) -> None:
        """Run what is needed until this one is done, and as it pleases some that is not.

        Raises
        ------
        DeadlockError: it can never be.
        BaseException: what an operation raised, at the first time that anybody waits for its card.
        """
        with self.lock:
            while operation is not None and not operation.done:
                ready = [queue for queue in self.queues if queue.ready]
                if not ready and self.patience and self._put.wait(self.patience):
                    continue
                if not ready:
                    raise DeadlockError(f"'{operation.what}' waits for ever")
                self._turn()
                if self._favourite in ready:
                    self._step(self._favourite)
                else:
                    self._step(self._random.choice([queue for queue in ready if queue is not self._last] or ready))
            if operation is not None and operation.device in self.failures:
                raise self.failures.pop(operation.device)

    def wake(self) -> None:
        """Let those look again who wait for other threads."""
        with self.lock:
            self._put.notify_all()

    def drain(self, device: int) -> None:
        """Run everything that waits on a card's streams."""
        for queue in self.queues:
            if queue.device == device:
                self.finish(queue.last)

    def _race(self) -> None:
        """Let the favourite stream run as far as events let it."""
        self._turn()
        while self._favourite is not None and self._favourite.ready:
            self._step(self._favourite)

    def _turn(self) -> None:
        """Now and then take another favourite, or none, and another stream that is always last."""
        if self._random.random() < 1 / MOOD:
            self._favourite = self._random.choice([None, None, *self.queues])
            self._last = self._random.choice([None, *self.queues])

    def _step(self, queue: Queue) -> None:
        if not queue.ready:  # since the caller looked, the garbage collector closed a device, and that ran what waited
            return
        operation = queue.waiting.popleft()
        self.ran += 1
        operation.done = True
        if queue.device not in self.failures:
            try:
                operation.run()
            except BaseException as error:  # as on a card, it shows when somebody waits
                self.failures[queue.device] = error
