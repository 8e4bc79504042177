"""A program's kernels compiled before its first run, by several processes: numba compiles on one core at a time."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

from runtime.kernels.cpu.cached import unknown
from runtime.kernels.cpu.jit import compiled
from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.kernels.rooms import load_rooms

Call = tuple[str, tuple[Any, ...]]  # a kernel's name, and arguments like those that it will be called with
WORTH = 6  # kernels for each process: one takes a second to start
SERVE = "import sys; sys.path[:] = sys.argv[1:]; from runtime.kernels.cpu.ahead import serve; serve()"


def compile_ahead(calls: Iterable[Call], processes: int) -> None:
    """Compile the kernels of these calls that this machine has not compiled before, where they are many; each is kept on disk.

    What fails here fails again, and is reported, when the kernel is called.

    Parameters
    ----------
    processes: at most, this one counted; NUMBA_NUM_THREADS limits them too.
    """
    arguments = dict(calls)
    names = unknown(arguments)
    if len(names) < 2 * WORTH or processes < 2:
        return
    from numba import config, typeof

    limit: int = vars(config)["NUMBA_NUM_THREADS"]
    others = min(processes, limit, len(names) // WORTH) - 1
    if others < 1 or not sys.executable:
        return
    waiting = deque((name, tuple(map(typeof, arguments[name]))) for name in names)
    with helpers(others, waiting) as threads:
        while (task := _next(waiting)) is not None:
            with suppress(Exception):
                _compile(*task)
        for thread in threads:
            thread.join()


@contextmanager
def helpers(count: int, waiting: deque[Call]) -> Iterator[list[Thread]]:
    """Processes that compile what is waiting, and the threads that feed them; the processes end with the block."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with suppress(OSError):  # there is no memory for another, say
            for _ in range(count):
                processes.append(subprocess.Popen([sys.executable, "-c", SERVE, *sys.path], **pipes))
        threads = [Thread(target=_feed, args=(process, waiting), daemon=True) for process in processes]
        for thread in threads:
            thread.start()
        yield threads
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _feed(process: subprocess.Popen[bytes], waiting: deque[Call]) -> None:
    """Give a process one kernel after another, until none is waiting or it has ended."""
    assert process.stdin is not None and process.stdout is not None
    with suppress(Exception), process.stdin, process.stdout:  # what is left this process compiles
        while (task := _next(waiting)) is not None:
            process.stdin.write(pickle.dumps(task).hex().encode() + b"\n")
            process.stdin.flush()
            if not process.stdout.readline():
                return


def _next(waiting: deque[Call]) -> Call | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _compile(name: str, types: tuple[Any, ...]) -> None:
    function: Any = compiled(CPU_KERNELS[name].function)
    function.compile(types)


def serve() -> None:
    """Compile what comes by standard input, a line each, and answer with a line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one
    answers, sys.stdout = sys.stdout, sys.stderr
    load_rooms("cpu")
    for line in sys.stdin:
        with suppress(Exception):
            _compile(*pickle.loads(bytes.fromhex(line)))
        print("done", file=answers, flush=True)
