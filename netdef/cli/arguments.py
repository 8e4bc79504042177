"""Which of a command's files is the net and which the solver, by what is in them; and the files in one argument."""

from __future__ import annotations

import os

from netdef.language.diagnostics import NetdefError
from netdef.language.kinds import NET, SOLVER, kind_of


def net_and_solver(first: str, second: str | None) -> tuple[str | None, str]:
    """The (net, solver) of `netdef train NET SOLVER` or `netdef train SOLVER`; the net is None where the solver names it.

    Raises
    ------
    NetdefError: one of them is the other, or missing.
    """
    kinds = [kind_of(first), kind_of(second) if second is not None else None]
    if second is None:
        if kinds[0] == NET:
            raise NetdefError(
                f"{first} is a net; training it takes a solver too",
                hint=f"netdef train {first} solver.txt uses the solver of the package",
            )
        return None, first
    if kinds == [SOLVER, NET]:
        raise NetdefError(f"{first} is a solver and {second} is a net; the net comes first", hint=f"netdef train {second} {first}")
    if kinds[0] == SOLVER:
        also = " too" if kinds[1] == SOLVER else ""
        raise NetdefError(f"{first} is a solver{also}, where a net was expected", hint=f"netdef train NET {second}")
    if kinds[1] == NET:
        raise NetdefError(f"{second} is a net, where a solver was expected", hint=f"netdef train {first} SOLVER")
    return first, second


def weights_files(text: str) -> list[str]:
    """The files of a `--weights`: one, or several with commas between them, as `caffe train` has it.

    Raises
    ------
    NetdefError: a name is empty.
    """
    files = [text] if os.path.exists(text) else text.split(",")
    if "" in files:
        raise NetdefError(f"--weights {text}: a name is empty", hint="--weights a.caffemodel,b.caffemodel names two files")
    return files
