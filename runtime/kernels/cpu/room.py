"""Whether this process can compile: LLVM ends it where the system refuses it memory, numba fails where it has no threads."""

from __future__ import annotations

import os
import resource
from functools import cache
from pathlib import Path

from netdef.language.diagnostics import NetdefError

LIBRARIES = 320 << 20  # bytes of addresses that NumPy and LLVM take
COMPILER = 256 << 20  # those of numba beside them, its compiler and a few threads
THREADS = "NUMBA_NUM_THREADS"  # which numba reads


@cache
def check_room(needed: int, what: str) -> None:
    """Check once that there is room for something.

    Raises
    ------
    NetdefError: there is not.
    """
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    if most - used < needed:
        left = f"this process may take {max(0, most - used) >> 20:,} MiB more of addresses (ulimit -v)"
        raise NetdefError(f"{left}; {what} needs {needed >> 20:,} MiB", hint="ulimit -v unlimited lifts the limit")


@cache
def check_threads() -> None:
    """Check once that numba can read how many threads it may start.

    Raises
    ------
    NetdefError: the environment holds another text than a number from 1.
    """
    given = os.environ.get(THREADS)
    try:
        if given is None or int(given) > 0:
            return
    except ValueError:
        pass
    raise NetdefError(f"{THREADS} is {given!r}, which is no number of threads", hint="unset it, or set it to 1 or more")
