"""What a function of one element computes of x alone: the formula that declares it, with the layer's constants put in."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Mapping

from netdef.layers.formula import INTRINSICS
from netdef.layers.function import Elementwise

KNOWN = {name: getattr(math, name) for name in ("exp", "log", "log1p", "sqrt", "tanh")} | {"abs": abs, "max": max, "min": min}


def expression_of(layer: Elementwise) -> ast.expr:
    """An expression of the name x and of numbers; what no x takes part in is computed.

    A test that holds for every x, or for none, is left out.  A number alone is added to 0 * x, which has x's shape.
    """
    formula = layer.function.value
    names: dict[str, ast.expr] = {name: ast.Constant(value) for name, value in layer.constants_of(formula).items()}
    for name, value in formula.expression.locals:
        names[name] = _Inlining(names).visit(copy.deepcopy(value))
    (result,) = formula.expression.results
    found: ast.expr = _Inlining(names).visit(copy.deepcopy(result))
    return ast.BinOp(ast.BinOp(ast.Name("x"), ast.Mult(), ast.Constant(0)), ast.Add(), found) if _is_number(found) else found


def _is_number(node: ast.expr) -> bool:
    return not any(isinstance(one, ast.Name) and one.id not in INTRINSICS for one in ast.walk(node))


class _Inlining(ast.NodeTransformer):
    """Puts expressions in for names, and computes what then has no name any more."""

    def __init__(self, names: Mapping[str, ast.expr]):
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.names.get(node.id, node))

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        values = [self.visit(value) for value in node.values]
        decides = isinstance(node.op, ast.Or)  # the constant that decides; the other one changes nothing
        if any(isinstance(value, ast.Constant) and bool(value.value) is decides for value in values):
            return ast.Constant(decides)
        values = [value for value in values if not isinstance(value, ast.Constant)]
        return ast.BoolOp(node.op, values) if len(values) > 1 else values[0] if values else ast.Constant(not decides)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        return self._computed(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        return self._computed(node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        return self._computed(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(one) for one in node.args]
        return self._value(node)

    def _computed(self, node: ast.expr) -> ast.expr:
        self.generic_visit(node)
        return self._value(node)

    def _value(self, node: ast.expr) -> ast.expr:
        if not _is_number(node):
            return node
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "formula", "eval")
        return ast.Constant(eval(code, {"__builtins__": {}}, KNOWN))  # a formula of the table, checked when declared
