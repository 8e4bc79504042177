"""Formulas: plain Python functions on single numbers, read as Python's ast: checked, counted, printed in a device's language."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

INTRINSICS = {"abs": 1, "exp": 9, "log": 12, "log1p": 15, "max": 1, "min": 1, "sqrt": 1, "tanh": 14}  # operations of each
POWER = 25  # operations of **
OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.USub: "-", ast.Not: "not", ast.And: "and",
    ast.Or: "or", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """What a formula computes.

    Parameters
    ----------
    constants: those of its arguments that are the same for all numbers.
    locals: names it assigns, in order, with what they are.
    results: what it returns.
    """

    constants: frozenset[str]
    locals: tuple[tuple[str, ast.expr], ...]
    results: tuple[ast.expr, ...]

    def nodes(self) -> Iterator[ast.AST]:
        """All of its nodes."""
        for part in (*(value for _, value in self.locals), *self.results):
            yield from ast.walk(part)

    @property
    def flops(self) -> int:
        """Floating point operations for each number; those that only constants take part in count for nothing."""
        return sum(_operations(node) for node in self.nodes() if not _names(node) <= self.constants)


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and inner.id not in INTRINSICS}


def _operations(node: ast.AST) -> int:
    match node:
        case ast.Compare(ops=ops):
            return len(ops)
        case ast.BinOp(op=ast.Pow()):
            return POWER
        case ast.BinOp() | ast.UnaryOp(op=ast.USub()):
            return 1
        case ast.Call(func=ast.Name(id=name)):
            return INTRINSICS[name]
    return 0


def read(function: Callable[..., Any], constants: Collection[str]) -> Expression:
    """What a function computes, from the file that declares it.

    Raises
    ------
    SyntaxError: it is more than assignments and the return of expressions that every device has.
    """
    code = function.__code__
    body = list(_definitions(code.co_filename)[code.co_firstlineno].body)
    if isinstance(body[0], ast.Expr):  # the docstring
        del body[0]
    found: list[tuple[str, ast.expr]] = []
    for node in body[:-1]:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            raise _refusal(code, node, "only names can be assigned before the return")
        found.append((node.targets[0].id, node.value))
    end = body[-1] if body else None
    if not isinstance(end, ast.Return) or end.value is None:
        raise _refusal(code, end, "it must end with the return of a number")
    results = end.value.elts if isinstance(end.value, ast.Tuple) else [end.value]
    made = Expression(frozenset(constants), tuple(found), tuple(results))
    _check(made, code)
    return made


@cache
def _definitions(file: str) -> dict[int, ast.FunctionDef]:
    """A file's functions by the line that Python says they begin at: their first decorator's."""
    tree = ast.parse("".join(linecache.getlines(file)), file)
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(mark.lineno for mark in node.decorator_list)]): node for node in functions}


def _check(made: Expression, code: CodeType) -> None:
    """Raises SyntaxError for what no kernel can have."""
    known = {*code.co_varnames[: code.co_argcount], *INTRINSICS}
    for name, value in made.locals:
        if name in known:
            raise _refusal(code, value, f"{name} is something else already")
        known.add(name)
    for node in made.nodes():
        match node:
            case ast.Name(id=name) if name not in known:
                reason = f"{name} is none of {', '.join(sorted(known))}"
            case ast.Constant(value=literal) if type(literal) not in (int, float):
                reason = f"{literal!r} is no number"
            case ast.Call(func=function) if not (isinstance(function, ast.Name) and function.id in INTRINSICS):
                reason = f"it can call {', '.join(INTRINSICS)} only"
            case ast.Name() | ast.Constant() | ast.Call() | ast.IfExp() | ast.Load():
                continue
            case ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.Compare():
                continue
            case ast.operator() | ast.unaryop() | ast.boolop() | ast.cmpop() if type(node) in OPERATORS:
                continue
            case _:
                reason = f"no kernel can have {type(node).__name__}"
        raise _refusal(code, node, reason)


def _refusal(code: CodeType, node: ast.AST | None, reason: str) -> SyntaxError:
    line = getattr(node, "lineno", code.co_firstlineno)
    return SyntaxError(f"{code.co_name}: {reason}", (code.co_filename, line, None, None))


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
