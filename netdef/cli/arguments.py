"""Which of a command's files is the net and which the solver: seen from what is in them."""

from __future__ import annotations

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
                hint=f"netdef train {first} solver.txt uses the one that comes along",
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
