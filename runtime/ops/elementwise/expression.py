"""The formulas of netdef/layers/elementwise.py, by kernel."""

from __future__ import annotations

from functools import cache

from netdef.layers import elementwise  # noqa: F401, which fills the table
from netdef.layers.function import FUNCTIONS
from runtime.kernels.formula import Expression, read

FORMULAS = {formula.name: formula for function in FUNCTIONS.values() for formula in function.formulas}


@cache
def expression(kernel: str) -> Expression:
    """What the formula of a kernel computes; see `read` for what it raises."""
    formula = FORMULAS[kernel]
    return read(formula.function, formula.constants)
