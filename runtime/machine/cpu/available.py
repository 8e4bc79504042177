"""How much memory of this machine a program can take before the machine swaps, or its cgroup's limit ends the process."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from weakref import finalize

import numpy as np

FILE_CACHE = ("inactive_file", "active_file", "total_inactive_file", "total_active_file")  # given back when memory is short
NO_LIMIT = 1 << 60  # cgroup's version 1 writes a number beyond it
_promised = 0  # bytes of arenas, whose pages the system gives when they are first written to


def available(root: Path = Path("/")) -> tuple[int, int] | None:
    """Bytes that are free, and the most there can be; None where the system does not say.

    Parameters
    ----------
    root: where /proc and /sys are.
    """
    with suppress(OSError, ValueError, KeyError):
        facts = _numbers(root / "proc/meminfo")
        free, total = 1024 * facts["MemAvailable:"], 1024 * facts["MemTotal:"]
        for limit, used in _cgroups(root):
            free, total = min(free, limit - used), min(total, limit)
        free -= _untouched(root)
        for limit, used in _address_space(root):  # arenas have theirs already
            free, total = min(free, limit - used), min(total, limit)
        return max(0, free), total
    return None


def promise(arena: np.ndarray) -> None:
    """Count an arena as taken until it is freed."""
    global _promised
    _promised += arena.nbytes
    finalize(arena, _free, arena.nbytes).atexit = False


def _free(size: int) -> None:
    global _promised
    _promised -= size


def _untouched(root: Path) -> int:
    """Bytes of arenas that the system has not given yet."""
    resident = int((root / "proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return max(0, _promised - resident)


def _numbers(path: Path) -> dict[str, int]:
    """The lines "name number ..." of a file."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1}


def _cgroups(root: Path) -> Iterator[tuple[int, int]]:
    """(most bytes, bytes in use) of each cgroup that this process belongs to."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _cgroup(root / "sys/fs/cgroup", path, "memory.max", "memory.current")
            elif controllers == "memory":
                yield from _cgroup(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes")


def _address_space(root: Path) -> Iterator[tuple[int, int]]:
    """(most bytes, bytes in use) of this process's addresses, where they have a limit."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY:
        yield most, int((root / "proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _cgroup(mount: Path, path: str, limit_name: str, used_name: str) -> Iterator[tuple[int, int]]:
    """Limits of a group and of those above it; of the mount alone where a container shows it as the root."""
    folder = mount / path.strip("/")
    for one in dict.fromkeys([folder, *folder.parents, mount]):
        if os.path.commonpath([mount, one]) != str(mount):
            return
        with suppress(OSError, ValueError):
            limit, used = int((one / limit_name).read_text()), int((one / used_name).read_text())
            cached = 0
            with suppress(OSError, ValueError):
                facts = _numbers(one / "memory.stat")
                cached = max(sum(facts.get(name, 0) for name in FILE_CACHE[:2]), sum(facts.get(name, 0) for name in FILE_CACHE[2:]))
            if limit < NO_LIMIT:
                yield limit, max(0, used - cached)
