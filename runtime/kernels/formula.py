"""Formulas printed in the languages of devices."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from netdef.layers.formula import OPERATORS


@dataclass(frozen=True)
class Language:
    """How a device's language writes expressions, where that is not as Python does.

    Parameters
    ----------
    number: of a literal.  choice: of the test, what is taken if it holds, and else.  power: of base and exponent.
    operators, names: by how Python writes them.
    """

    number: str
    choice: str
    power: str
    operators: Mapping[str, str]
    names: Mapping[str, str]

    def text(self, node: ast.expr) -> str:
        """An expression, all in parentheses, so that nothing hangs on precedence."""
        match node:
            case ast.Name():
                return node.id
            case ast.Constant():
                return self.number.format(float(node.value))  # type: ignore[arg-type]
            case ast.UnaryOp():
                return f"({self._sign(node.op)}{self.text(node.operand)})"
            case ast.BinOp(op=ast.Pow()):
                return self.power.format(self.text(node.left), self.text(node.right))
            case ast.BinOp():
                return f"({self.text(node.left)} {self._sign(node.op)} {self.text(node.right)})"
            case ast.Compare():
                sides = [self.text(side) for side in (node.left, *node.comparators)]
                pairs = zip(sides, node.ops, sides[1:], strict=False)
                return self._all(ast.And(), [f"({left} {self._sign(sign)} {right})" for left, sign, right in pairs])
            case ast.BoolOp():
                return self._all(node.op, [self.text(value) for value in node.values])
            case ast.IfExp():
                return self.choice.format(*map(self.text, (node.test, node.body, node.orelse)))
            case ast.Call(func=ast.Name(id=name)):
                return f"{self.names.get(name, name)}({', '.join(map(self.text, node.args))})"
        raise AssertionError(node)

    def _sign(self, operator: ast.AST) -> str:
        return self.operators.get(OPERATORS[type(operator)], OPERATORS[type(operator)])

    def _all(self, operator: ast.boolop, tests: list[str]) -> str:
        return tests[0] if len(tests) == 1 else f"({f' {self._sign(operator)} '.join(tests)})"


NUMBA = Language(
    number="np.float32({!r})",  # as a Python number it would make all that follows float64
    choice="({1} if {0} else {2})",
    power="({} ** {})",
    operators={"not": "not "},
    names={"min": "smaller", "max": "larger"},
)
CPP = Language(
    number="{!r}f",
    choice="({0} ? {1} : {2})",
    power="powf({}, {})",
    operators={"and": "&&", "or": "||", "not": "!"},
    names={
        "abs": "fabsf", "exp": "expf", "log": "logf", "log1p": "log1pf", "max": "larger", "min": "smaller", "sqrt": "sqrtf",
        "tanh": "tanhf",
    },
)  # fmt: skip
