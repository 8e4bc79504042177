"""How every CPU kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

from runtime.kernels.cpu.alone import compile_alone
from runtime.kernels.cpu.stale import drop_stale
from runtime.kernels.cpu.trusted import is_trusted

Function = TypeVar("Function", bound=Callable[..., Any])

# No nnan or ninf: a run must see its NaNs.  reassoc lets sums be vectorised; their order stays fixed for a given machine.
FAST_MATH = frozenset({"nsz", "contract", "reassoc", "arcp"})

BLOCK = 16384  # floats in one item of an elementwise kernel: 64 KiB, and whole vectors whatever the thread count


def jit(function: Function, fast_math: Collection[str] = FAST_MATH, also: tuple[Path, ...] = (), **options: Any) -> Function:
    """A function compiled by numba when it is first called, and kept on disk until a file that it is made from changes.

    Parameters
    ----------
    also: files that wrote the function's text, where that is not in its own.
    options: more of numba's.
    """
    options |= {"no_cfunc_wrapper": True}  # nothing calls kernels from C
    options |= {"nogil": True, "error_model": "numpy", "fastmath": set(fast_math)}
    own = Path(function.__code__.co_filename)
    compiled: Any = njit(function, cache=True, **options)
    stats = getattr(compiled, "stats", None)  # with NUMBA_DISABLE_JIT it stays plain Python
    if stats is not None and not is_trusted(Path(stats.cache_path), own.parent):
        compiled, stats = njit(function, **options), None
    if stats is not None:
        drop_stale(Path(stats.cache_path), function.__module__.rpartition(".")[2], (Path(__file__), own, *also))
        compile_alone(compiled)
    return compiled


def inner(function: Function) -> Function:
    """The same for a function that only compiled functions call: without a way in from Python, which takes long to compile."""
    return jit(function, no_cpython_wrapper=True)


def blocks(size: int) -> int:
    """How many BLOCK-sized items cover `size` elements."""
    return -(-size // BLOCK)
