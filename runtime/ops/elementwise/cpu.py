"""CPU kernels of the functions of one element, printed from their formulas and compiled by numba.  All arrays are flat."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from netdef.layers.function import Formula
from runtime.kernels.cpu.jit import BLOCK, JIT, blocks
from runtime.kernels.cpu.registry import kernel
from runtime.kernels.cpu.stale import drop_stale, kernel_sources
from runtime.ops.elementwise.expression import FORMULAS, Expression, Language, expression
from runtime.ops.elementwise.intrinsics import exp, larger, smaller, tanh

TILE = 4096  # floats that stay in the first cache
NUMBA = Language(
    number="np.float32({!r})",  # as a Python number it would make all that follows float64
    choice="({1} if {0} else {2})",
    power="({} ** {})",
    operators={"not": "not "},
    names={"min": "smaller", "max": "larger"},
)
SCOPE = {
    "BLOCK": BLOCK, "TILE": TILE, "np": np, "abs": abs, "exp": exp, "larger": larger, "log": math.log, "log1p": math.log1p,
    "smaller": smaller, "tanh": tanh,
}  # fmt: skip
# In place, results are put aside first: of a loop over two arrays that may be one, no vectors are made.
KERNEL = """\
def {name}(begin, end, {parameters}):
    {float32}
    aside = np.empty(TILE, np.float32)
    in_place = {in_place}
    for first in range(begin * BLOCK, min(end * BLOCK, result.size), TILE):
        {tiles}
        out = result[first : first + TILE]
        target = aside[: out.size] if in_place else out
        for i in range(out.size):
            {numbers}
            target[i] = {value}
        if in_place:
            for i in range(out.size):
                out[i] = target[i]
"""


def text(found: Expression) -> str:
    """A kernel's source."""
    arrays, constants = found.formula.arrays, found.formula.constants
    numbers = [f"{name} = {name}_tile[i]" for name in arrays]
    numbers += [f"{name} = {NUMBA.text(value)}" for name, value in found.locals]
    return KERNEL.format(
        name=found.formula.name,
        parameters=", ".join(parameters(found.formula)),
        float32="; ".join(f"{name} = np.float32({name})" for name in constants) or "pass",
        in_place=" or ".join(f"{name}_array.ctypes.data == result.ctypes.data" for name in arrays),
        tiles="; ".join(f"{name}_tile = {name}_array[first : first + TILE]" for name in arrays),
        numbers="; ".join(numbers),
        value=NUMBA.text(found.result),
    )


def parameters(formula: Formula) -> tuple[str, ...]:
    """A kernel's, after begin and end."""
    return (*(f"{name}_array" for name in formula.arrays), "result", *formula.constants)


class Printed:
    """A kernel that is printed and handed to numba when it is first asked for: there are many, and a net has few."""

    def __init__(self, formula: Formula):
        self.formula, self.__name__ = formula, formula.name
        names = ("begin", "end", *parameters(formula))
        self.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])

    def __call__(self, *arguments: Any) -> None:
        self.compiled(*arguments)

    @cached_property
    def compiled(self) -> Callable[..., None]:
        """To numba it stands where its formula does, in a file whose changes make what is cached of it stale."""
        found = expression(self.formula.name)
        scope = {**SCOPE, "__name__": self.formula.function.__module__}
        exec(compile("\n" * (found.line - 1) + text(found), found.file, "exec"), scope)
        made = njit(**JIT)(scope[self.formula.name])
        drop_stale([Path(made.stats.cache_path)], kernel_sources())
        return made


for _formula in FORMULAS.values():
    kernel(items=lambda first, *_: blocks(first.size))(Printed(_formula))
