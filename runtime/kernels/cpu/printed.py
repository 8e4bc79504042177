"""Kernels printed from formulas, and compiled by numba when first used: there are many, and a net has few."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from runtime.kernels.cpu.jit import compiled, jit


class Printed:
    """A kernel as the registry takes it.

    Parameters
    ----------
    declared: the function that the kernel is printed from; the kernel has its name, and in tracebacks its line.
    parameters: after begin and end.
    text: prints its source.
    scope: what that may call.
    fast_math: see `jit`.
    printed_by: the file whose `text` that is.
    name: the kernel's, if it is not the function's.
    """

    def __init__(
        self,
        declared: Callable[..., Any],
        parameters: tuple[str, ...],
        text: Callable[[], str],
        scope: Mapping[str, Any],
        fast_math: Collection[str],
        printed_by: str,
        name: str | None = None,
    ):
        self._declared, self._text, self._scope, self._fast_math = declared, text, scope, fast_math
        self._printed_by = Path(printed_by)
        self.__name__ = name or declared.__name__
        names = ("begin", "end", *parameters)
        self.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])

    def __call__(self, *arguments: Any) -> None:
        self.compiled(*arguments)

    @cached_property
    def compiled(self) -> Callable[..., None]:
        """The function that numba makes of it."""
        code, scope = self._declared.__code__, {**self._scope, "__name__": self._declared.__module__}
        above = "\n" * (code.co_firstlineno - 1)
        exec(compile(above + self._text(), code.co_filename, "exec"), scope)
        function: Callable[..., None] = scope[self.__name__]
        return compiled(jit(function, self._fast_math, also=(self._printed_by,)))
