"""netdef: networks as text, read into a typed graph.

    load, parse      a Net from a file or the name of a model, or from a text
    load_solver      the SolverParameter of a solver's file
    images           image files as the array that a net takes them as
    Net, Layer       the graph; Blob: a value between layers; Parameter: a learned array of a layer
    NetdefError      everything that is wrong with a file, as Diagnostics with their Positions
    only_inside      a context that refuses files which a net or a solver names outside of its own folder
    OldFormatWarning the file is of an older format of Caffe

`net = netdef.load("alexnet")`, then `net`, `net.layers`, `net.table()`, `net.layer("conv1").tops[0].shape`.  The package `runtime`
compiles, runs and trains nets.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Diagnostic": "netdef.language.diagnostics",
    "NetdefError": "netdef.language.diagnostics",
    "OldFormatWarning": "netdef.language.diagnostics",
    "Position": "netdef.language.diagnostics",
    "Blob": "netdef.graph.layer",
    "Layer": "netdef.graph.layer",
    "Net": "netdef.graph.net",
    "Parameter": "netdef.graph.layer",
    "images": "runtime.images.arrays",
    "load": "netdef.loading",
    "parse": "netdef.loading",
    "load_solver": "netdef.solver_file",
    "only_inside": "netdef.language.reach",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that `import netdef` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'netdef' has no attribute {name!r}")
    if name in ("Net", "load", "parse"):
        draw_in_notebooks()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__


def draw_in_notebooks() -> None:
    """Let nets draw themselves in notebooks: the graph itself knows nothing of drawing."""
    import_module("netdef.graph.net").Net.drawn_by = staticmethod(_drawn)


def _drawn(net: Any) -> str:
    from netdef.draw.notebook import picture

    return picture(net)
