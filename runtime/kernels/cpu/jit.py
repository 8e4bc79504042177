"""How every CPU kernel is compiled: by numba, which is loaded when the first kernel is needed, not where one is only planned."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Any, TypeVar, cast

from runtime.kernels.cpu.alone import compile_alone
from runtime.kernels.cpu.room import COMPILER, check_room
from runtime.kernels.cpu.stale import drop_stale
from runtime.kernels.cpu.trusted import is_trusted

Function = TypeVar("Function", bound=Callable[..., Any])

# No nnan or ninf: a run must see its NaNs.  reassoc lets sums be vectorised; their order stays fixed for a given machine.
FAST_MATH = frozenset({"nsz", "contract", "reassoc", "arcp"})

BLOCK = 16384  # floats in one item of an elementwise kernel: 64 KiB, and whole vectors whatever the thread count


class Jitted:
    """A function that numba compiles when it is first called, from Python or by a function that is compiled.

    Attributes
    ----------
    py_func: the function as it is written.
    targetoptions: numba's options; by this name numba finds what is to be inlined.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], keep: bool, also: tuple[Path, ...] = ()):
        update_wrapper(self, function)
        self.py_func, self.targetoptions, self._keep, self._also = function, options, keep, also

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes it for where a compiled function calls it."""
        return self.compiled._numba_type_

    @cached_property
    def compiled(self) -> Any:
        """Numba's dispatcher; with NUMBA_DISABLE_JIT the plain function."""
        check_room(COMPILER, "compiling kernels")
        from numba import njit

        own = Path(self.py_func.__code__.co_filename)
        compiled: Any = njit(self.py_func, cache=self._keep, **self.targetoptions)
        stats = getattr(compiled, "stats", None) if self._keep else None
        if stats is not None and not is_trusted(Path(stats.cache_path), own.parent):
            compiled, stats = njit(self.py_func, **self.targetoptions), None
        if compiled is not self.py_func:
            compile_once(compiled)
        if stats is not None:
            drop_stale(Path(stats.cache_path), self.py_func.__module__.rpartition(".")[2], (Path(__file__), own, *self._also))
            compile_alone(compiled)
        return compiled


def compile_once(compiled: Any) -> None:
    """Have a function of numba compiled for types of arguments, not for each constant that a caller gives too."""
    from numba.core.types import unliteral

    compile_now = compiled.compile
    compiled.compile = lambda signature: compile_now(tuple(map(unliteral, signature)))


class Inner(Jitted):
    """A function that only compiled functions can call."""

    def __call__(self, *arguments: Any) -> Any:
        if self.compiled is not self.py_func:  # with NUMBA_DISABLE_JIT all is Python
            raise TypeError(f"{self.py_func.__name__} is called by kernels, not by Python")
        return self.py_func(*arguments)


class Shared(Jitted):
    """A function that plans call as it is written, and kernels compiled."""

    def __call__(self, *arguments: Any) -> Any:
        return self.py_func(*arguments)


def _options(fast_math: Collection[str], **options: Any) -> dict[str, Any]:
    options |= {"no_cfunc_wrapper": True}  # nothing calls kernels from C
    return options | {"nogil": True, "error_model": "numpy", "fastmath": set(fast_math)}


def jit(function: Function, fast_math: Collection[str] = FAST_MATH, also: tuple[Path, ...] = ()) -> Function:
    """A function compiled by numba when it is first called, and kept on disk until a file that it is made from changes.

    Parameters
    ----------
    also: files that wrote the function's text, where that is not in its own.
    """
    return cast(Function, Jitted(function, _options(fast_math), keep=True, also=also))


def inner(function: Function, fast_math: Collection[str] = FAST_MATH) -> Function:
    """The same for a function that only compiled functions call: without a way in from Python, which takes long to compile."""
    return cast(Function, Inner(function, _options(fast_math, no_cpython_wrapper=True), keep=True))


def inlined(function: Function) -> Function:
    """A function that becomes a piece of those that call it, before numba looks at their types."""
    return cast(Function, Jitted(function, {"inline": "always"}, keep=False))


def shared(function: Function) -> Function:
    """A function of plans and kernels: Python for the ones, compiled with the others."""
    return cast(Function, Shared(function, _options(FAST_MATH, no_cpython_wrapper=True), keep=False))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a kernel's calls end at: numba's dispatcher, or the function itself where it is plain Python."""
    made: Callable[..., Any] = getattr(function, "compiled", function)
    return made


def blocks(size: int) -> int:
    """How many BLOCK-sized items cover `size` elements."""
    return -(-size // BLOCK)
