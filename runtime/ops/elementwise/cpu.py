"""CPU kernels printed from formulas and compiled by numba.  All arrays are flat."""

from __future__ import annotations

from functools import partial
from typing import Any

from netdef.layers.function import Formula
from runtime.kernels.cpu.intrinsics import SCOPE
from runtime.kernels.cpu.jit import BLOCK, FAST_MATH, blocks
from runtime.kernels.cpu.printed import Printed
from runtime.kernels.cpu.registry import kernel
from runtime.kernels.formula import NUMBA
from runtime.kernels.operand import Operand
from runtime.ops.elementwise.formulas import FORMULAS

TILE = 4096  # floats that stay in the first cache
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


def text(formula: Formula) -> str:
    """A kernel's source."""
    found, arrays, constants = formula.expression, formula.arrays, formula.constants
    numbers = [f"{name} = {name}_tile[i]" for name in arrays]
    numbers += [f"{name} = {NUMBA.text(value)}" for name, value in found.locals]
    return KERNEL.format(
        name=formula.name,
        parameters=", ".join(parameters(formula)),
        float32="; ".join(f"{name} = np.float32({name})" for name in constants) or "pass",
        in_place=" or ".join(f"{name}_array.ctypes.data == result.ctypes.data" for name in arrays),
        tiles="; ".join(f"{name}_tile = {name}_array[first : first + TILE]" for name in arrays),
        numbers="; ".join(numbers),
        value=NUMBA.text(found.results[0]),
    )


def parameters(formula: Formula) -> tuple[str, ...]:
    """A kernel's, after begin and end."""
    return (*(f"{name}_array" for name in formula.arrays), "result", *formula.constants)


def flops(formula: Formula, first: Operand, *_: Any) -> int:
    """Over all numbers."""
    return formula.expression.flops * first.size


for _formula in FORMULAS.values():
    _scope = {**SCOPE, "BLOCK": BLOCK, "TILE": TILE}
    _printed = Printed(_formula.function, parameters(_formula), partial(text, _formula), _scope, FAST_MATH, __file__)
    _flops = partial(flops, _formula)
    kernel(items=lambda first, *_: blocks(first.size), flops=_flops)(_printed)
