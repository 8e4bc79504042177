"""Which of a command's files is the net and which the solver: seen from what is in them."""

from __future__ import annotations

import re
from pathlib import Path

from netdef.find import model_names
from netdef.language.diagnostics import NetdefError
from netdef.schema import message_class

NET, SOLVER = "net", "solver"
QUOTED = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""")
NESTED = re.compile(r"[{<][^{}<>]*[}>]")
WORDS = re.compile(r"[A-Za-z_]\w*")
LANGUAGE = {"layer", "layers", "train", "test", "defaults"}  # words that only nets start a statement with


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


def kind_of(name: str) -> str | None:
    """Whether a file holds a net or a solver, or a name is a model's; None where that cannot be seen."""
    path = Path(name)
    if not path.is_file():
        return NET if name in model_names() or path.suffix == ".net" else None
    try:
        words = outer_words(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    of_net = set(message_class("NetParameter").DESCRIPTOR.fields_by_name) | LANGUAGE
    of_solver = set(message_class("SolverParameter").DESCRIPTOR.fields_by_name)
    nets, solvers = len(words & (of_net - of_solver)), len(words & (of_solver - of_net))
    if nets == solvers:
        return NET if path.suffix == ".net" else None
    return NET if nets > solvers else SOLVER


def outer_words(text: str) -> set[str]:
    """The words of a text that stand in no string, comment or braces."""
    text = QUOTED.sub(" ", text)
    shorter = NESTED.sub(" ", text)
    while shorter != text:
        text, shorter = shorter, NESTED.sub(" ", shorter)
    return set(WORDS.findall(text))
