"""runtime: graphs compiled to programs of kernels, and the machine that runs and trains them."""

from importlib import import_module
from typing import Any

_HOMES = {
    "CpuDevice": "runtime.machine.cpu.device",
    "Executable": "runtime.machine.executable",
    "Program": "runtime.ir.program",
    "Solver": "runtime.solver.solver",
    "compile": "runtime.machine.compile",
    "compile_program": "runtime.compiler.pipeline",
    "python_allowed": "runtime.ops.python.layer",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
