"""Lines of functions of one element that PyTorch has no function for, printed from the formulas that declare them."""

from __future__ import annotations

import ast
from typing import Any

from netdef.layers.function import FUNCTIONS
from runtime.exchange.formulas import expression_of
from runtime.exchange.torch_out import rules  # noqa: F401 - what has a rule of its own keeps it
from runtime.exchange.torch_out.lines import RULES, Scope, number
from runtime.kernels.formula import Language

OWN = {"max": "larger", "min": "smaller"}


class _Torch(Language):
    """Its numbers may be infinite, or below zero, which in front of ** needs parentheses."""

    def text(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Constant):
            return super().text(node)
        value = float(node.value)  # type: ignore[arg-type]
        return f"({number(value)})" if value < 0 else number(value)


TORCH = _Torch(
    number="",
    choice="chosen({}, {}, {})",
    power="({} ** {})",
    operators={"and": "&", "or": "|", "not": "~"},
    names={name: f"torch.{name}" for name in ("abs", "exp", "log", "log1p", "sqrt", "tanh")} | OWN,
)


def write_formula(layer: Any, on: Scope) -> None:
    """One line; it calls what functions.py has for choices, and for the larger and the smaller of two."""
    expression = expression_of(layer)
    for node in ast.walk(expression):
        if isinstance(node, ast.IfExp):
            on.call("chosen")
        elif isinstance(node, ast.Name) and node.id in OWN:
            on.call(OWN[node.id])
        elif isinstance(node, ast.Name) and node.id == "x":
            node.id = on.x
    on.let(TORCH.text(expression))


for name in FUNCTIONS:
    RULES.setdefault(name, write_formula)
