"""The rooms of runtime/ops, one a family of layers, found by their files."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

OPS = Path(__file__).parents[1] / "ops"
DEVICES = {"cpu": "cpu", "gpu": "cuda"}  # which module of a room holds what a device runs


@cache
def load_rooms(module: str) -> None:
    """Import the module of this name ("lower", "cpu" or "cuda") of every room that has one; each registers what it holds."""
    for file in sorted(OPS.glob(f"*/{module}.py")):
        import_module(f"runtime.ops.{file.parent.name}.{module}")


def devices_of(room: str) -> tuple[str, ...]:
    """The devices, of "cpu" and "gpu", that run what a room lowers; all of them where that takes no kernels of its own."""
    having = tuple(device for device, module in DEVICES.items() if (OPS / room / f"{module}.py").is_file())
    return having or tuple(DEVICES)
