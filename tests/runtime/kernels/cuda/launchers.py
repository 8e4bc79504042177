"""Kernels for the stand-in CuPy: their own source, built for this processor, few libraries for all tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from runtime.kernels.cuda.registry import source
from tests.runtime.kernels.cuda.checks import all_checks
from tests.runtime.kernels.cuda.on_cpu import Module, build, load_all
from tests.runtime.kernels.cuda.running import functions_of


def launchers(code: str, names: Sequence[str], seed: int = 0) -> dict[str, Callable[..., None]]:
    """The named functions of a source.  seed: of the order of blocks and threads."""
    return {name: partial(_module(code, name).launch, name, seed=seed) for name in names}


@cache
def _module(code: str, name: str) -> Module:
    """The library of what the checks run, if it has the function, else one of its own."""
    module = _checked().get(code)
    return module if module and name in module.symbols else build(code, [name])


@cache
def _checked() -> dict[str, Module]:
    """By source."""
    functions = functions_of(check.plan for check in all_checks())
    return {source(file): module for file, module in load_all(functions).items()}
