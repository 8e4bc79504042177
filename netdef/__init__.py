"""netdef: networks as text, read into a typed graph.  `netdef.load("alexnet")` is the way in."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Diagnostic": "netdef.language.diagnostics",
    "NetdefError": "netdef.language.diagnostics",
    "OldFormatWarning": "netdef.language.diagnostics",
    "Position": "netdef.language.diagnostics",
    "Net": "netdef.graph.net",
    "load": "netdef.loading",
    "parse": "netdef.loading",
    "load_solver": "netdef.solver_file",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that `import netdef` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'netdef' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
