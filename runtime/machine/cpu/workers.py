"""Worker threads of a CPU device, which share the items of a launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import count
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import numpy as np

from runtime.kernels.cpu import team
from runtime.machine.cpu.cores import available_cores

SMALLEST_CHUNKS = 8  # for each worker: small enough to even out workers at the end, few enough to keep launches cheap
TURNS = 2000  # for which a thread that waits looks again before it sleeps: about as long as waking it takes

WAKE = "wake"  # there is a job in a helper's state, or there was

Work = Callable[[int, int, int], None]  # (worker, begin, end)
Chunks = tuple[tuple[int, int], ...]


class Job:
    """A launch that workers share in compiled code, see `runtime.kernels.cpu.team`.

    Parameters
    ----------
    code: what computes a piece.  blocks: the arguments of each worker.  chunks: the pieces.
    """

    def __init__(self, code: int, blocks: Sequence[np.ndarray], chunks: Chunks):
        bounds = team.WORKERS + len(blocks)
        self.blocks, self.chunks, self.words = blocks, chunks, np.zeros(bounds + len(chunks) + 1, np.int64)
        self.words[[team.CHUNKS, team.CODE, team.BOUNDS]] = len(chunks), code, bounds
        self.words[team.WORKERS : bounds] = [block.ctypes.data for block in blocks]
        self.words[bounds:] = [0, *(end for _, end in chunks)]
        self.address: int = self.words.ctypes.data


class Compiled:
    """Work in compiled code.  Called as other work is, it computes a piece by way of Python.

    Parameters
    ----------
    piece: computes one.  job: all of them for workers, which need no Python for it.
    """

    def __init__(self, piece: Work, job: Job):
        self.piece, self.job = piece, job

    def __call__(self, worker: int, begin: int, end: int) -> None:
        self.piece(worker, begin, end)


class Workers:
    """Threads that work through the items of one kernel together.

    The caller is one of them.  Items are handed out in chunks, in order, which get smaller towards the end.  Which worker takes
    which chunk is chance, and results do not depend on it.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self._turns = TURNS if threads <= available_cores() else 0
        self._states = np.full(team.LINE * threads, team.ASLEEP, np.int64)
        self._queues: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(threads - 1)]
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._abandoned: Any = None  # the work of an interrupted run, whose memory helpers may still use
        self._left: list[Event] = []  # each set when a helper has ended its work for an interrupted run
        for worker, queue in enumerate(self._queues, start=1):
            Thread(target=self._serve, args=(worker, queue), daemon=True, name=f"cpu-worker-{worker}").start()

    def run(self, work: Work, items: int) -> None:
        """Call work(worker, begin, end) until [0, items) is covered.  An exception of any worker is raised here.

        An interrupt is raised at once; the next run then waits until no helper works for this one.
        """
        self._settle()
        helpers = min(self.threads, items) - 1
        if isinstance(work, Compiled) and items:
            self._run_job(work, helpers)
            return
        if helpers <= 0:
            work(0, 0, items)
            return
        chunks, tickets = chunks_of(items, self.threads), count()
        failure: BaseException | None = None
        try:
            for queue in self._queues[:helpers]:
                self._call(queue, (work, chunks, tickets, self._done))
            try:
                _take(0, work, chunks, tickets)
            except BaseException as error:
                failure = error
            for _ in range(helpers):
                failure = self._done.get() or failure
        except BaseException:
            self._leave()
            raise
        if failure is not None:
            raise failure

    def _run_job(self, work: Compiled, helpers: int) -> None:
        """The same in compiled code; an interrupt is raised when it is done."""
        job, states, helpers = work.job.address, self._states.ctypes.data, max(0, helpers)
        try:
            found: int = team.share(job, states, helpers, self._turns, False)
            if found > 0:
                for worker in np.flatnonzero(self._states[:: team.LINE] == job):
                    self._queues[worker - 1].put(WAKE)
                found = team.share(job, states, helpers, self._turns, True)
        except BaseException:
            self._abandoned = work
            self._leave()
            raise
        if found < 0:
            work(0, *work.job.chunks[-found - 1])  # which raises what is wrong
            raise RuntimeError("it failed once, and not when it was done again")

    def _settle(self) -> None:
        """Wait until no helper works for an interrupted run."""
        while self._left:
            self._left[-1].wait()
            self._left.pop()
        self._abandoned = None

    def _call(self, queue: SimpleQueue[Any], job: Any) -> None:
        """Give a helper something that is Python."""
        self._states[team.LINE * (1 + self._queues.index(queue))] = team.LEAVE
        queue.put(job)

    def _leave(self) -> None:
        """Abandon this run's helpers: their results are dropped, and each sets an event when it has ended."""
        self._done = SimpleQueue()
        for queue in self._queues:
            self._left.append(Event())
            queue.put(self._left[-1])

    def close(self) -> None:
        """End the threads."""
        for queue in self._queues:
            self._call(queue, None)

    def _serve(self, worker: int, queue: SimpleQueue[Any]) -> None:
        state = self._states[team.LINE * worker :]
        while (job := queue.get()) is not None:
            if isinstance(job, Event):
                state[0] = team.ASLEEP
                job.set()
            elif job is WAKE:
                team.serve(state.ctypes.data, worker, self._turns)
            else:
                *taken, done = job
                failure = None
                try:
                    _take(worker, *taken)
                except BaseException as error:
                    failure = error
                state[0] = team.WAITING
                done.put(failure)
                team.serve(state.ctypes.data, worker, self._turns)


@lru_cache(4096)
def chunks_of(items: int, threads: int) -> Chunks:
    """[0, items) in pieces: each half of what is left for a worker, and not too small (guided self-scheduling, Polychronopoulos &
    Kuck 1987).
    """
    least, begin, found = max(1, items // (SMALLEST_CHUNKS * threads)), 0, []
    while begin < items:
        end = min(items, begin + max(least, (items - begin) // (2 * threads)))
        found.append((begin, end))
        begin = end
    return tuple(found)


def _take(worker: int, work: Work, chunks: Chunks, tickets: count[int]) -> None:
    while (ticket := next(tickets)) < len(chunks):
        work(worker, *chunks[ticket])
