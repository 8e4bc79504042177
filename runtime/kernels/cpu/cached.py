"""Whether kernels have been compiled on this machine before."""

from collections.abc import Iterable
from pathlib import Path

from runtime.kernels.cpu.registry import CPU_KERNELS


def cached(names: Iterable[str]) -> bool:
    """Whether numba's cache on disk has every one of these kernels, so that starting takes seconds."""
    return all(has_index(CPU_KERNELS[name].function) for name in names if name in CPU_KERNELS)


def has_index(function: object) -> bool:
    """Whether there is an index file of a numba function; one that is plain Python needs none."""
    function = getattr(function, "compiled", function)  # of one that is printed
    stats = getattr(function, "stats", None)
    if stats is None:
        return True
    python = function.py_func  # type: ignore[attr-defined]
    module = python.__module__.rpartition(".")[2]
    return any(Path(stats.cache_path or "").glob(f"{module}.{python.__qualname__}-*.nbi"))
