"""Formulas: plain Python functions on single numbers, read as Python's ast, of which kernels are printed and operations counted."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

INTRINSICS = {"abs": 0, "exp": 9, "log": 12, "log1p": 15, "max": 1, "min": 1, "sqrt": 1, "tanh": 14}  # operations of each
POWER = 25  # operations of **
_NODES = (
    ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.operator, ast.unaryop,
    ast.cmpop, ast.boolop, ast.expr_context,
)  # fmt: skip
SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==",
    ast.NotEq: "!=", ast.And: "&&", ast.Or: "||", ast.USub: "-", ast.Not: "!",
}  # fmt: skip
CALLS = {
    "abs": "fabsf", "exp": "expf", "log": "logf", "log1p": "log1pf", "max": "larger", "min": "smaller", "sqrt": "sqrtf",
    "tanh": "tanhf",
}  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """What a function computes.

    Parameters
    ----------
    file, line: where it is declared.
    arguments: its parameters.
    locals: names it assigns, in order, with what they are.
    results: what it returns.
    """

    name: str
    file: str
    line: int
    arguments: tuple[str, ...]
    locals: tuple[tuple[str, ast.expr], ...]
    results: tuple[ast.expr, ...]

    def nodes(self) -> Iterator[ast.AST]:
        """All of its nodes."""
        for part in (*(value for _, value in self.locals), *self.results):
            yield from ast.walk(part)


def parse(function: Callable[..., Any]) -> Formula:
    """Read a formula from the file that declares it.

    Raises
    ------
    SyntaxError: it is more than assignments and a return of what kernels may have.
    """
    code = function.__code__
    definition = _definitions(code.co_filename)[code.co_firstlineno]
    body = [node for node in definition.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    found: list[tuple[str, ast.expr]] = []
    for node in body[:-1]:
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            raise _refusal(code, node, "only names can be assigned before the return")
        found.append((node.targets[0].id, node.value))
    end = body[-1]
    if not isinstance(end, ast.Return) or end.value is None:
        raise _refusal(code, end, "it must end with the return of a number")
    results = tuple(end.value.elts) if isinstance(end.value, ast.Tuple) else (end.value,)
    arguments = code.co_varnames[: code.co_argcount]
    made = Formula(function.__name__, code.co_filename, code.co_firstlineno, arguments, tuple(found), results)
    _check(made, code)
    return made


@cache
def _definitions(file: str) -> dict[int, ast.FunctionDef]:
    """A file's functions by the line that Python says they begin at: their first decorator's."""
    tree = ast.parse("".join(linecache.getlines(file)), file)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(mark.lineno for mark in node.decorator_list)]): node for node in functions}


def _check(formula: Formula, code: Any) -> None:
    """Raises SyntaxError for what no kernel can have."""
    known = {*formula.arguments, *INTRINSICS}
    for name, value in formula.locals:
        if name in known:
            raise _refusal(code, value, f"{name} is assigned twice")
        known.add(name)
    for node in formula.nodes():
        if not isinstance(node, _NODES) or (isinstance(node, ast.operator | ast.unaryop) and type(node) not in {*SIGNS, ast.Pow}):
            raise _refusal(code, node, f"no kernel can have {type(node).__name__}")
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            raise _refusal(code, node, f"{node.value!r} is no number")
        if isinstance(node, ast.Name) and node.id not in known:
            raise _refusal(code, node, f"{node.id} is none of {', '.join(sorted(known))}")
        calls = isinstance(node, ast.Call) and (not isinstance(node.func, ast.Name) or node.keywords)
        if calls or (isinstance(node, ast.Call) and node.func.id not in INTRINSICS):  # type: ignore[attr-defined]
            raise _refusal(code, node, f"it can call {', '.join(INTRINSICS)} only")


def _refusal(code: Any, node: ast.AST, reason: str) -> SyntaxError:
    line = getattr(node, "lineno", code.co_firstlineno)
    return SyntaxError(f"{code.co_name}: {reason}", (code.co_filename, line, None, None))


def flops(formula: Formula) -> int:
    """Floating point operations for each number."""
    count = 0
    for node in formula.nodes():
        if isinstance(node, ast.Compare):
            count += len(node.ops)
        elif isinstance(node, ast.BinOp):
            count += POWER if isinstance(node.op, ast.Pow) else 1
        elif isinstance(node, ast.UnaryOp):
            count += isinstance(node.op, ast.USub)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            count += INTRINSICS[node.func.id]
    return count


class _Float32(ast.NodeTransformer):
    """An expression with literals of type float32, which by themselves would make all that follows float64."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.parse(f"np.float32({node.value!r})", mode="eval").body

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        renamed = {"min": "smaller", "max": "larger"}
        if isinstance(node.func, ast.Name) and node.func.id in renamed:
            node.func = ast.Name(renamed[node.func.id], ast.Load())
        return node


def python(node: ast.expr) -> str:
    """An expression for numba."""
    copy = ast.parse(ast.unparse(node), mode="eval")
    return ast.unparse(_Float32().visit(copy))


def cpp(node: ast.expr) -> str:
    """An expression in C++, all in parentheses, so that nothing hangs on precedence."""
    match node:
        case ast.Name():
            return node.id
        case ast.Constant():
            return f"{float(node.value)!r}f"  # type: ignore[arg-type]
        case ast.UnaryOp():
            return f"({SIGNS[type(node.op)]}{cpp(node.operand)})"
        case ast.BinOp(op=ast.Pow()):
            return f"powf({cpp(node.left)}, {cpp(node.right)})"
        case ast.BinOp():
            return f"({cpp(node.left)} {SIGNS[type(node.op)]} {cpp(node.right)})"
        case ast.Compare():
            sides = [cpp(side) for side in (node.left, *node.comparators)]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            return "(" + " && ".join(f"{left} {SIGNS[type(sign)]} {right}" for left, sign, right in pairs) + ")"
        case ast.BoolOp():
            return "(" + f" {SIGNS[type(node.op)]} ".join(map(cpp, node.values)) + ")"
        case ast.IfExp():
            return f"({cpp(node.test)} ? {cpp(node.body)} : {cpp(node.orelse)})"
        case ast.Call(func=ast.Name(id=name)):
            return f"{CALLS[name]}({', '.join(map(cpp, node.args))})"
    raise AssertionError(node)
