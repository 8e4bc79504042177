"""Queues of a CPU device: each a thread that does its steps in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import inf
from queue import SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from threadpoolctl import ThreadpoolController

from runtime.machine.device import Step, StepError

LOOK = 0.5  # seconds between looks whether a peer has failed
PATIENCE = 20.0  # seconds that a step under way may take after all were told to stop


@cache
def blas() -> ThreadpoolController:
    """The BLAS libraries of this process.  The workers are the parallelism; each calls a BLAS held to one thread."""
    return ThreadpoolController()


class _OneBlasThread:
    """While anyone is inside, BLAS is held to one thread.  The limit is the process's: the first sets and the last lifts it."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit = blas().limit(limits=1, user_api="blas")
                self._limit.__enter__()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.__exit__(None, None, None)


one_blas_thread = _OneBlasThread()


class Peers:
    """What the devices of one program have in common: when a step fails on one of them, the others stop too.

    A step that then does not end is given up, and its failure stays: what it may still write to cannot be used again.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._working = 0  # queues that have work
        self.stopped = False
        self._failure: StepError | None = None
        self._deadline: float | None = None  # when steps that were to stop are given up

    def enter(self) -> None:
        """A queue has work."""
        with self._lock:
            self._working += 1

    def leave(self) -> None:
        """It has none any more."""
        with self._lock:
            self._working -= 1

    def fail(self, failure: StepError | None) -> None:
        """Let no queue begin another step; the first failure is the one that is told."""
        with self._lock:
            self._failure = self._failure or failure
            if self._deadline is None:
                self._deadline = monotonic() + PATIENCE
            self.stopped = True

    def hurry(self) -> None:
        """Wait no longer for steps under way."""
        with self._lock:
            self._deadline = monotonic()

    def patience(self) -> float:
        """Seconds to wait for steps under way; without end while nothing has failed."""
        return inf if self._deadline is None else max(0.0, self._deadline - monotonic())

    def told(self) -> StepError | None:
        """The failure, if any; when no queue has work left it is forgotten, and steps are done again."""
        with self._lock:
            failure = self._failure
            if self._working == 0:
                self.stopped, self._failure, self._deadline = False, None, None
        return failure


class HostQueue:
    """Steps done in order on a thread of their own.

    Parameters
    ----------
    device, name: for messages, and the thread's name.
    """

    def __init__(self, device: str, name: str, peers: Peers):
        self._device, self._peers = device, peers
        self._jobs: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._busy = False
        self._doing: Step | None = None
        Thread(target=self._serve, daemon=True, name=f"{device}-{name}").start()

    def run(self, steps: Sequence[Step]) -> None:
        """Put steps on the queue."""
        self._begin()
        self._jobs.put(lambda: self._do(steps))

    def record(self) -> Event:
        """An event that happens when all that was put on this queue so far is done, or has been given up."""
        self._begin()
        event = Event()
        self._jobs.put(event.set)
        return event

    def wait(self, event: Event) -> None:
        """Hold back what is put on this queue from now on until an event has happened."""
        self._begin()
        self._jobs.put(event.wait)

    def drain(self) -> None:
        """Wait until the queue is empty, or its step has been given up."""
        if self._busy:
            end = self.record()
            while not end.wait(min(LOOK, self._peers.patience())):  # what fails meanwhile on a peer bounds the wait
                if self._peers.patience() == 0:
                    self._give_up()
                    return
            self._rest()

    def _give_up(self) -> None:
        """Say which step does not end; a queue that only waits for another's has none, and nothing to say."""
        step = self._doing
        if step is not None:
            failure = StepError(self._device, step)
            failure.__cause__ = TimeoutError("it does not end")
            self._peers.fail(failure)

    def close(self) -> None:
        """End the thread.  A step that was given up holds nobody up any more, nor BLAS to one thread."""
        self._rest()
        self._jobs.put(None)

    def _begin(self) -> None:
        if not self._busy:
            self._busy = True
            self._peers.enter()
            one_blas_thread.__enter__()

    def _rest(self) -> None:
        if self._busy:
            self._busy = False
            one_blas_thread.__exit__()
            self._peers.leave()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _do(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if self._peers.stopped:
                return
            self._doing = step
            try:
                step()
            except BaseException as error:
                failure = StepError(self._device, step)
                failure.__cause__ = error
                self._peers.fail(failure)
            self._doing = None
