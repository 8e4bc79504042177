"""Read solver files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from netdef.language import Bound, read_file
from netdef.language.diagnostics import NetdefError
from netdef.language.find import packaged, shown
from netdef.solver_file.checking import check_solver


def load_solver(path: str | os.PathLike[str]) -> Any:
    """The SolverParameter in a file, with the positions of its fields: `.message` and `.position(path)`.

    Parameters
    ----------
    path: a solver file, or the name of one of the package, such as "solver".

    Raises
    ------
    NetdefError: with all errors of the file.
    """
    bound = read_solver(path)
    bound.announce()
    check_solver(bound)
    return bound


def read_solver(path: str | os.PathLike[str]) -> Bound:
    """The same without `check_solver`: only errors of the text are raised."""
    if not isinstance(path, str | os.PathLike):
        raise NetdefError(
            f"expected the path of a solver, not {type(path).__name__}", hint="give a file's path, or a name such as solver"
        )
    own = packaged(str(path), ".txt")
    return read_file(shown(own) if own else Path(path), "SolverParameter")
