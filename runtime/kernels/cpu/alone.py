"""One process compiles a kernel; others that need it at that time wait and load it: ranks of a run, workers of a test run."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any


def compile_alone(compiled: Any) -> None:
    """Have a function of numba hold a lock, a file of its cache's folder, while it looks into the cache and compiles."""
    from numba.core.compiler_lock import global_compiler_lock

    compile_now = compiled.compile
    path = Path(compiled.stats.cache_path) / f"{compiled.__module__.rpartition('.')[2]}.{compiled.__qualname__}.lock"

    def wait_and_compile(signature: Any) -> Any:
        with global_compiler_lock, locked(path):  # numba takes its own lock too: in this order, no two threads wait for each other
            return compile_now(signature)

    compiled.compile = wait_and_compile


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on a file; none where the folder cannot be written or the file system has no locks."""
    with ExitStack() as stack:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
            stack.callback(fcntl.flock, file, fcntl.LOCK_UN)  # closing alone leaves it to processes forked meanwhile
        yield
