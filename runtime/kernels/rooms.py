"""The rooms of runtime/ops, one a family of layers, found by their files."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

OPS = Path(__file__).parents[1] / "ops"


@cache
def load_rooms(module: str) -> None:
    """Import the module of this name ("lower", "cpu" or "cuda") of every room that has one; each registers what it holds."""
    for file in sorted(OPS.glob(f"*/{module}.py")):
        import_module(f"runtime.ops.{file.parent.name}.{module}")
