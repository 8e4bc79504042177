"""Kernels for the stand-in CuPy: their own source, built for this processor, few libraries for all tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from runtime.kernels.cuda.registry import source
from tests.runtime.kernels.cuda.checks import all_checks
from tests.runtime.kernels.cuda.on_cpu import Module, build, load_all
from tests.runtime.kernels.cuda.running import functions_of

BUILT: dict[str, dict[str, Module]] = {}  # by source and function


def launchers(code: str, names: Sequence[str], seed: int = 0) -> dict[str, Callable[..., None]]:
    """The named functions of a source.  seed: of the order of blocks and threads."""
    modules = _modules(code, names)
    return {name: partial(modules[name].launch, name, seed=seed) for name in names}


def _modules(code: str, names: Sequence[str]) -> dict[str, Module]:
    """The library of what the checks run where it has the function; one library for all others that were not built before."""
    known, checked = BUILT.setdefault(code, {}), _checked().get(code)
    if checked:
        known |= {name: checked for name in names if name in checked.symbols}
    missing = sorted(set(names) - set(known))
    if missing:
        known |= dict.fromkeys(missing, build(code, missing))
    return known


@cache
def _checked() -> dict[str, Module]:
    """By source."""
    functions = functions_of(check.plan for check in all_checks())
    return {source(file): module for file, module in load_all(functions).items()}
