"""All formulas that are printed as kernels over flat arrays, by kernel: those of layers, and sums and products."""

from __future__ import annotations

from netdef.layers import elementwise  # noqa: F401, which fills the table
from netdef.layers.function import FUNCTIONS
from runtime.ops.arithmetic.table import ARITHMETIC

FORMULAS = {formula.name: formula for function in FUNCTIONS.values() for formula in function.formulas} | ARITHMETIC
