"""Queues of CPU devices: each a thread that runs bound instructions in order.

When one fails, on any device of a program, no queue begins another.  Those under way end, and the failure is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from queue import SimpleQueue
from threading import Event, Lock, Thread
from time import perf_counter
from typing import Any

from threadpoolctl import ThreadpoolController

from netdef.language.diagnostics import NetdefError
from runtime.machine.device import BoundInstruction, LaunchError

ABANDONED = "a run was interrupted twice, and one of its kernels may still be at work: the net must be compiled anew"


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
    """The queues of all devices of a program.

    Attributes
    ----------
    stopped: whether instructions are skipped, until all queues are empty.
    wake: called when they are from now on, for instructions that wait for other processes.
    """

    def __init__(self) -> None:
        self.stopped = False
        self.wake: Callable[[], None] = lambda: None
        self._lock = Lock()
        self._queues: list[HostQueue] = []
        self._failure: LaunchError | None = None
        self._working = self._abandoned = False

    def queue(self, device: str, name: str) -> HostQueue:
        """A new queue of a device.  name: for the thread's."""
        self._queues.append(HostQueue(device, name, self))
        return self._queues[-1]

    def begin(self) -> None:
        """Hold BLAS to one thread while there is work.

        Raises
        ------
        NetdefError: instructions of an interrupted run may still be at work.
        """
        if self._abandoned:
            raise NetdefError(ABANDONED)
        if not self._working:
            self._working = True
            one_blas_thread.__enter__()

    def fail(self, failure: LaunchError) -> None:
        """Let no queue begin another instruction; the first failure is the one that is raised."""
        with self._lock:
            self._failure = self._failure or failure
            self.stopped = True
        self.wake()

    def settle(self) -> None:
        """Wait until all queues are empty.

        Raises
        ------
        LaunchError: an instruction failed.
        KeyboardInterrupt: after the instructions under way; a second one does not wait for them.
        """
        if self._abandoned or not self._working:
            return
        try:
            self._drain()
        except BaseException:
            self.stopped = self._abandoned = True
            self.wake()
            self._drain()
            self._abandoned, self.stopped, self._failure = False, False, None
            raise
        finally:
            self._working = False
            one_blas_thread.__exit__()
        failure, self._failure, self.stopped = self._failure, None, False
        if failure is not None:
            raise failure

    def _drain(self) -> None:
        for queue in self._queues:
            queue.drain()


class HostQueue:
    """Bound instructions run in order on a thread of their own.

    Parameters
    ----------
    device, name: for messages, and the thread's name.

    Attributes
    ----------
    seconds: how long instructions have run until now.
    """

    def __init__(self, device: str, name: str, peers: Peers):
        self._device, self._peers = device, peers
        self.seconds = 0.0
        self._jobs: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        Thread(target=self._serve, daemon=True, name=f"{device}-{name}").start()

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put bound instructions on the queue."""
        self._peers.begin()
        self._jobs.put(lambda: self._run(bound))

    def record(self) -> Event:
        """An event that happens when all that was put on this queue before it is done, or skipped."""
        self._peers.begin()
        event = Event()
        self._jobs.put(event.set)
        return event

    def wait(self, event: Event) -> None:
        """Hold back what is put on this queue from now on until an event has happened."""
        self._peers.begin()
        self._jobs.put(event.wait)

    def drain(self) -> None:
        """Wait until the queue is empty."""
        event = Event()
        self._jobs.put(event.set)
        event.wait()

    def close(self) -> None:
        """End the thread."""
        self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _run(self, bound: Sequence[BoundInstruction]) -> None:
        begun = perf_counter()
        for instruction in bound:
            if self._peers.stopped:
                return
            try:
                instruction()
            except BaseException as error:
                failure = LaunchError(self._device, instruction)
                failure.__cause__ = error
                self._peers.fail(failure)
        self.seconds += perf_counter() - begun
