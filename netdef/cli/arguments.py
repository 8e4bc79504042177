"""Which of a command's files is the net and which the solver, by what is in them; and the files in one argument."""

from __future__ import annotations

import os
from pathlib import Path

import click

from netdef.language.diagnostics import NetdefError
from netdef.language.find import RUN_NET, RUN_SOLVER, find_net
from netdef.language.kinds import NET, SOLVER, kind_of


def net_and_solver(first: str, second: str | None, command: str = "train") -> tuple[str | None, str]:
    """The (net, solver) of `netdef train NET SOLVER`, `train SOLVER` or `train RUN`; no net where the solver names it.

    Parameters
    ----------
    command: whose arguments they are.

    Raises
    ------
    NetdefError: one of them is the other, or missing.
    """
    kinds = [kind_of(first), kind_of(second) if second is not None else None]
    if second is None:
        if is_run(first):
            return None, str(Path(first) / RUN_SOLVER)
        if kinds[0] == NET:
            raise NetdefError(
                f"{first} is a net; training it takes a solver too",
                hint=f"netdef {command} {first} solver.txt uses the solver of the package",
            )
        return None, first
    if kinds == [SOLVER, NET]:
        raise NetdefError(
            f"{first} is a solver and {second} is a net; the net comes first", hint=f"netdef {command} {second} {first}"
        )
    if kinds[0] == SOLVER:
        also = " too" if kinds[1] == SOLVER else ""
        raise NetdefError(f"{first} is a solver{also}, where a net was expected", hint=f"netdef train NET {second}")
    if kinds[1] == NET:
        raise NetdefError(f"{second} is a net, where a solver was expected", hint=f"netdef {command} {first} SOLVER")
    return first, second


def is_run(name: str) -> bool:
    """Whether it is a run's directory, with its net and its solver."""
    return all(os.path.isfile(Path(name) / file) for file in (RUN_NET, RUN_SOLVER))


def weights_files(text: str) -> list[str]:
    """The files of a `--weights`: one, or several with commas between them, as `caffe train` has it; of a run, its last ones.

    Raises
    ------
    NetdefError: a name is empty, or a run has no weights.
    """
    files = [text] if os.path.exists(text) else text.split(",")
    if "" in files:
        raise NetdefError(f"--weights {text}: a name is empty", hint="--weights a.caffemodel,b.caffemodel names two files")
    return [weights_of_run(file) if os.path.isdir(file) else file for file in files]


def net_and_weights(text: str) -> tuple[str, str | None]:
    """NET:WEIGHTS as both, NET alone without weights."""
    net, colon, weights = text.partition(":")
    return (net, weights) if colon and weights and not os.path.exists(text) else (text, None)


def weights_for(net: str, given: str | None) -> list[str]:
    """The files of `--weights`, or where it is left out those of the run whose directory is given as the net.

    Raises
    ------
    NetdefError: there are none.
    """
    if given is not None:
        return weights_files(given)
    if find_net(net).parent != Path(net):
        hint = "--weights FILE names a .caffemodel; the directory of a run, given as NET, has its own"
        raise NetdefError(f"no weights are given for {net}", hint=hint)
    return [weights_of_run(net)]


def weights_of_run(directory: str) -> str:
    """The weights of a run's last snapshot, named on stderr.

    Raises
    ------
    NetdefError: it has none.
    """
    from netdef.weights import snapshots

    found = str(snapshots.weights_of_run(directory))
    click.echo(f"weights of {found}", err=True)
    return found
