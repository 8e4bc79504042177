"""Whether kernels have been compiled on this machine before."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from runtime.kernels.cpu.jit import compiled
from runtime.kernels.cpu.registry import CPU_KERNELS


def cached(names: Iterable[str]) -> bool:
    """Whether numba's cache on disk has every one of these kernels, so that starting takes seconds."""
    return not unknown(names)


def unknown(names: Iterable[str]) -> list[str]:
    """Those of these kernels that numba's cache on disk has no index file of.

    Kernels that are plain Python need none; those that are compiled at each start have no cache.
    """
    here = cache(_files)
    found = []
    for name in names:
        function = compiled(CPU_KERNELS[name].function) if name in CPU_KERNELS else None
        folder = getattr(getattr(function, "stats", None), "cache_path", None)
        if function is not None and folder:
            module = function.__module__.rpartition(".")[2]
            if f"{module}.{function.__qualname__}" not in here(Path(folder)):
                found.append(name)
    return found


def _files(folder: Path) -> set[str]:
    """The functions, with their modules, that have an index file in a folder."""
    with suppress(OSError):
        return {file.rpartition("-")[0] for file in os.listdir(folder) if file.endswith(".nbi")}
    return set()
