"""The formulas of netdef/layers/elementwise.py, by kernel."""

from __future__ import annotations

from netdef.layers import elementwise  # noqa: F401, which fills the table
from netdef.layers.function import FUNCTIONS

FORMULAS = {formula.name: formula for function in FUNCTIONS.values() for formula in function.formulas}
