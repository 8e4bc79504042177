"""The functions that a module calls: their text, and what they call themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("functions.py")


@cache
def functions() -> dict[str, str]:
    """The text of each function by name, in the order of the file."""
    text = SOURCE.read_text(encoding="utf-8")
    found = (one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef))
    return {one.name: ast.get_source_segment(text, one) or "" for one in found}


def text_of_functions(names: Iterable[str]) -> str:
    """The text of some functions and of all that they call."""
    wanted, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [
                one.id for one in ast.walk(ast.parse(functions()[name])) if isinstance(one, ast.Name) and one.id in functions()
            ]
    return "".join(f"\n\n{text}\n" for name, text in functions().items() if name in wanted)
