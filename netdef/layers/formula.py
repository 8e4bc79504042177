"""Formulas: plain Python functions on single numbers, read as Python's ast when they are declared, checked and counted.

Kernels for every device are printed from them, so that what one language cannot say is refused here, at its line.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

INTRINSICS = {"abs": 1, "exp": 9, "log": 12, "log1p": 15, "max": 1, "min": 1, "sqrt": 1, "tanh": 14}  # operations of each
LARGEST = 3.4e38  # about the largest float32
POWER = 25  # operations of **
OF_TWO = ("max", "min")  # intrinsics that take two numbers; the others take one
OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.USub: "-", ast.Not: "not", ast.And: "and",
    ast.Or: "or", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
WORDS_OF_CPP = {
    "auto", "bool", "case", "catch", "char", "const", "default", "delete", "do", "double", "enum", "explicit", "extern",
    "float", "friend", "goto", "inline", "int", "long", "mutable", "namespace", "new", "operator", "private", "protected",
    "public", "register", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this", "throw", "typedef",
    "typename", "union", "unsigned", "using", "virtual", "void", "volatile",
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
        for value in (*(value for _, value in self.locals), *self.results):
            yield from ast.walk(value)

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


def read(function: Callable[..., Any], constants: Collection[str], results: int, taken: Collection[str] = ()) -> Expression:
    """What a function computes, from the file that declares it.

    Parameters
    ----------
    constants: the arguments that are the same for all numbers.
    results: how many numbers it must return.
    taken: names that the kernels printed from it use themselves.

    Raises
    ------
    SyntaxError: it is more than assignments and the return of expressions that every device has.
    """
    return _Reader(function, taken).expression(constants, results)


@cache
def _definitions(file: str) -> dict[int, ast.FunctionDef]:
    """A file's functions by the line that Python says they begin at: their first decorator's."""
    tree = ast.parse("".join(linecache.getlines(file)), file)
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(mark.lineno for mark in node.decorator_list)]): node for node in functions}


class _Reader:
    """Reads one function; `known` are the names that an expression may read."""

    def __init__(self, function: Callable[..., Any], taken: Collection[str]):
        self.code = function.__code__
        self.definition = _definitions(self.code.co_filename)[self.code.co_firstlineno]
        self.known = set(self.code.co_varnames[: self.code.co_argcount])
        self.taken = {*taken, *WORDS_OF_CPP, *INTRINSICS}

    def expression(self, constants: Collection[str], results: int) -> Expression:
        given = self.definition.args
        if given.vararg or given.kwarg or given.kwonlyargs:
            self.refuse(self.definition, "its arguments are single names, without * and **")
        for name in sorted(self.known):
            self.check_new(name, self.definition)
        body = self.definition.body[1:] if ast.get_docstring(self.definition) is not None else self.definition.body
        found: list[tuple[str, ast.expr]] = []
        for node in body[:-1]:
            if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
                self.refuse(node, "only names can be assigned before the return")
            name = node.targets[0].id
            self.check_number(node.value)
            if name in self.known:
                self.refuse(node, f"{name} is something else already")
            self.check_new(name, node)
            self.known.add(name)
            found.append((name, node.value))
        end = body[-1] if body else self.definition
        if not isinstance(end, ast.Return) or end.value is None:
            self.refuse(end, "it must end with the return of a number")
        returned = end.value.elts if isinstance(end.value, ast.Tuple) else [end.value]
        if len(returned) != results:
            self.refuse(end, f"it returns {len(returned)} numbers, not {results}")
        for value in returned:
            self.check_number(value)
        return Expression(frozenset(constants), tuple(found), tuple(returned))

    def check_new(self, name: str, node: ast.AST) -> None:
        """That a name can be one in every language."""
        if name in self.taken:
            self.refuse(node, f"kernels have another use for the name {name}")

    def check_number(self, node: ast.expr) -> None:
        """That an expression is a number on every device."""
        match node:
            case ast.Name(id=name):
                if name not in self.known:
                    self.refuse(node, f"{name} is none of {', '.join(sorted({*self.known, *INTRINSICS}))}")
            case ast.Constant(value=literal):
                if isinstance(literal, bool) or not isinstance(literal, int | float) or not abs(literal) <= LARGEST:
                    self.refuse(node, f"{literal!r} is no number")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self.check_number(operand)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
                self.check_number(left)
                self.check_number(right)
            case ast.IfExp(test=test, body=value, orelse=other):
                self.check_test(test)
                self.check_number(value)
                self.check_number(other)
            case ast.Call():
                self.check_call(node)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                self.refuse(node, "a comparison is no number: write `1 if ... else 0`")
            case _:
                self.refuse(node, f"no kernel can have {type(getattr(node, 'op', node)).__name__}")

    def check_test(self, node: ast.expr) -> None:
        """That an expression is a comparison, or several joined by `and`, `or` and `not`."""
        match node:
            case ast.Compare(left=left, ops=operators, comparators=others) if all(type(one) in OPERATORS for one in operators):
                for side in (left, *others):
                    self.check_number(side)
            case ast.BoolOp(values=values):
                for value in values:
                    self.check_test(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.check_test(operand)
            case _:
                self.refuse(node, "a condition compares numbers by < <= > >= == or !=")

    def check_call(self, node: ast.Call) -> None:
        if not (isinstance(node.func, ast.Name) and node.func.id in INTRINSICS):
            self.refuse(node, f"it can call {', '.join(INTRINSICS)} only")
        name, count = node.func.id, 2 if node.func.id in OF_TWO else 1
        if node.keywords or len(node.args) != count or any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse(node, f"{name} takes {count} number{'s' if count > 1 else ''}")
        for argument in node.args:
            self.check_number(argument)

    def refuse(self, node: ast.AST, reason: str) -> NoReturn:
        line = getattr(node, "lineno", self.code.co_firstlineno)
        raise SyntaxError(f"{self.code.co_name}: {reason}", (self.code.co_filename, line, None, None))
