"""ONNX of functions of one element that have no operator of their own: node by node, as the formula that declares them says."""

from __future__ import annotations

import ast
from functools import partial, reduce
from itertools import pairwise
from typing import Any

import numpy as np

from netdef.layers.function import FUNCTIONS
from runtime.exchange.formulas import expression_of
from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import RULES

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div", ast.Pow: "Pow", ast.And: "And", ast.Or: "Or",
    ast.USub: "Neg", ast.Not: "Not", ast.Lt: "Less", ast.LtE: "LessOrEqual", ast.Gt: "Greater", ast.GtE: "GreaterOrEqual",
    ast.Eq: "Equal",
}  # fmt: skip
CALLS = {"abs": "Abs", "exp": "Exp", "log": "Log", "max": "Max", "min": "Min", "sqrt": "Sqrt", "tanh": "Tanh"}


def write_formula(layer: Any, on: Scope) -> None:
    """The nodes of a layer's formula; the last one makes its top."""
    kind, *values = _node(expression_of(layer), on)
    on.out(kind, *values)


def _node(node: ast.expr, on: Scope) -> tuple[str, ...]:
    """The operator of an expression, and the values that it reads; those are written."""
    value = partial(_value, on=on)
    match node:
        case ast.UnaryOp():
            return OPERATORS[type(node.op)], value(node.operand)
        case ast.BinOp():
            return OPERATORS[type(node.op)], value(node.left), value(node.right)
        case ast.Compare(ops=[ast.NotEq()]):
            return "Not", on.op("Equal", value(node.left), value(node.comparators[0]))
        case ast.Compare(ops=[operator]):
            return OPERATORS[type(operator)], value(node.left), value(node.comparators[0])
        case ast.Compare():
            pairs = zip(pairwise((node.left, *node.comparators)), node.ops, strict=True)
            return _joined("And", [value(ast.Compare(left, [operator], [right])) for (left, right), operator in pairs], on)
        case ast.BoolOp():
            return _joined(OPERATORS[type(node.op)], [value(one) for one in node.values], on)
        case ast.IfExp():
            return "Where", value(node.test), value(node.body), value(node.orelse)
        case ast.Call(func=ast.Name(id="log1p"), args=[given]):
            return "Log", on.op("Add", value(given), on.constant(np.float32(1), "one"))
        case ast.Call(func=ast.Name(id=name)):
            return CALLS[name], *map(value, node.args)
    return "Identity", value(node)


def _value(node: ast.expr, on: Scope) -> str:
    """The name of what an expression makes."""
    match node:
        case ast.Name():
            return on.x
        case ast.Constant():
            return on.constant(np.float32(float(node.value)), "number")  # type: ignore[arg-type]
    kind, *values = _node(node, on)
    made: str = on.op(kind, *values)
    return made


def _joined(kind: str, tests: list[str], on: Scope) -> tuple[str, ...]:
    return kind, reduce(lambda a, b: on.op(kind, a, b), tests[:-1]), tests[-1]


for name in FUNCTIONS:
    RULES.setdefault(name, write_formula)
