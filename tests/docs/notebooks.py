"""Runs the code of a notebook as Jupyter does: one namespace, `!` for the shell, and the last expression of a cell shown."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cells_of(path: Path) -> list[str]:
    """The code of a notebook's cells."""
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["metadata"]["language_info"]["name"]) == (4, "python")
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]


def run_cells(cells: list[str], shell: Callable[[str], list[str]]) -> tuple[dict[str, Any], list[str]]:
    """Run cells one after the other; returns their names, and what each shows."""
    names: dict[str, Any] = {"_shell": shell}
    return names, [run_cell(cell, names) for cell in cells]


def run_cell(cell: str, names: dict[str, Any]) -> str:
    lines = [f"print(*_shell({line[1:]!r}), sep='\\n')" if line.startswith("!") else line for line in cell.splitlines()]
    tree = ast.parse("\n".join(lines))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last is not None else None
    html = getattr(value, "_repr_html_", None)
    return html() if html is not None else "" if value is None else repr(value)
