"""Where a run's snapshots go: snapshot_prefix, under the directory of the run."""

from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.reach import outside, refuses_outside
from netdef.solver_file.reach import RELATIVE


def snapshot_prefix(solver: Any, net_filename: str, out: str | Path) -> Path:
    """The path that _iter_N.caffemodel is appended to.

    An absolute snapshot_prefix stands as it is, any other under `out`.  Without one, or where it names a directory, the
    files are called after the net's.

    Raises
    ------
    NetdefError: it leads out of `out`, in a context where that is refused.
    """
    given = solver.snapshot_prefix
    path = Path(out) / given
    if not given or given.endswith("/") or path.is_dir():
        path = path / (Path(net_filename).stem or "net")
    if refuses_outside() and (found := outside(path.parent, Path(out))):  # a link may lead there
        raise NetdefError(f"snapshot_prefix {given} leads to {found}, outside of the run's directory {out}", hint=RELATIVE)
    return path


def directory_under(solver: Any) -> Path:
    """The directories that snapshot_prefix puts between a run's directory and its files."""
    given = solver.snapshot_prefix
    return Path(given) if given.endswith("/") else Path(given).parent
