"""runtime: graphs compiled to programs of kernels, and the machine that runs and trains them.

    compile          an Executable of a net: `forward`, `backward`, `blob`, `param`, `load_weights`
    Solver           trains a net as a solver's file says: `solve`, `step`, `test`, `snapshot`
    Run              the directory of a run: its net, its weights, its log
    compile_program  the Program of a net, without a device
    CpuDevice        the cores of this machine
    python_allowed   lets nets run the classes that their Python layers name

`with runtime.compile("lenet") as exe:`, then `exe`, `exe.forward(data=...)`.
"""

from importlib import import_module
from typing import Any

import netdef

_HOMES = {
    "CpuDevice": "runtime.machine.cpu.device",
    "Executable": "runtime.machine.executable",
    "Program": "runtime.ir.program",
    "Run": "runtime.solver.run",
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
    netdef.draw_in_notebooks()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
