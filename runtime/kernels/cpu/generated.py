"""Functions of kernels that are written in LLVM's language.  Numba is loaded when a kernel that calls one is compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any


class Later:
    """A module that is loaded when something of it is first used."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


types: Any = Later("numba.types")
cgutils: Any = Later("numba.core.cgutils")


class Intrinsic:
    """What compiled functions call by the definition's name.

    Parameters
    ----------
    definition: takes numba's context and the arguments' types, and returns the signature and what writes the code.
    """

    def __init__(self, definition: Callable[..., Any]):
        self._definition = definition

    @cached_property
    def _made(self) -> Any:
        from numba.extending import intrinsic

        return intrinsic(self._definition)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes it for."""
        from numba.core.registry import cpu_target

        made = self._made
        cpu_target.typing_context.refresh()
        return cpu_target.typing_context.resolve_value_type(made)


def intrinsic(definition: Callable[..., Any]) -> Any:
    """A function of compiled functions.  Any: type checkers take the context for an argument of the caller's."""
    return Intrinsic(definition)
