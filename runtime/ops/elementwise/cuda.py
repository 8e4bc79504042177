"""CUDA kernels printed from formulas, and their launches.  All arrays are flat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netdef.layers.function import Formula
from runtime.kernels.cuda.grids import flat
from runtime.kernels.cuda.registry import Launch, narrows, plans, prints
from runtime.kernels.formula import CPP
from runtime.kernels.operand import Operand
from runtime.ops.elementwise.formulas import FORMULAS

FILE = "elementwise.cu"
HEAD = """\
// Printed from the formulas in netdef/layers/elementwise.py and runtime/ops/arithmetic/table.py; on flat arrays.
// The result may be one of the inputs.
#include "common.cuh"
"""
KERNEL = """
template <int V, {types}class R = float> __global__ void {name}({arrays}, R* result, Index size{constants}) {{
  map<V>(size, result, [=]({numbers}) {{ {locals}return {value}; }}, {inputs});
}}
"""


def text(formula: Formula) -> str:
    """A kernel's source."""
    found, arrays, constants = formula.expression, formula.arrays, formula.constants
    return KERNEL.format(
        name=formula.name,
        types="".join(f"class T{number} = float, " for number in range(len(arrays))),
        arrays=", ".join(f"const T{number}* {name}" for number, name in enumerate(arrays)),
        constants="".join(f", float {name}" for name in constants),
        numbers=", ".join(f"float {name}" for name in arrays),
        locals="".join(f"const float {name} = {CPP.text(value)}; " for name, value in found.locals),
        value=CPP.text(found.results[0]),
        inputs=", ".join(arrays),
    )


@prints(FILE)
def source() -> str:
    """The file's text."""
    return HEAD + "".join(map(text, FORMULAS.values()))


def launcher(formula: Formula) -> Callable[..., Launch]:
    """The plan of a kernel."""

    def launch(*operands: Operand, **constants: float) -> Launch:
        return flat(FILE, formula.name, operands, *(np.float32(constants[name]) for name in formula.constants))

    launch.__name__ = formula.name
    return launch


for _formula in FORMULAS.values():
    plans(launcher(_formula))
    narrows(_formula.name, *range(len(_formula.arrays) + 1))
