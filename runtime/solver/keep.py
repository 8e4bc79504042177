"""Which of a run's snapshots stay: the last ones, and the one of the best test."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from netdef.language.diagnostics import NetdefError
from netdef.weights.snapshots import iteration_of, side_path

EXPECTED = "expected best, last=3, or both with a comma between them"


@dataclass(frozen=True)
class Keep:
    """What `--keep` says.

    Attributes
    ----------
    last: how many of the last snapshots stay.  best: whether that of the best test stays too; each test then has one.
    """

    last: int = 1
    best: bool = False


def read_keep(text: str) -> Keep:
    """`best`, `last=3` or `best,last=3`.

    Raises
    ------
    NetdefError: it is something else.
    """
    keep = {"last": 1, "best": False}
    for word in text.split(","):
        name, _, number = word.strip().partition("=")
        if word.strip() == "best":
            keep["best"] = True
        elif name == "last" and number.isascii() and number.isdecimal() and int(number) > 0:
            keep["last"] = int(number)
        else:
            raise NetdefError(f"--keep {text}: {word.strip() or 'nothing'} is no rule", hint=EXPECTED)
    return Keep(keep["last"], bool(keep["best"]))


def remove_old(prefix: Path, keep: Keep, best: int | None) -> list[Path]:
    """Remove the snapshots of a prefix that are not to stay; returns the states removed.

    The state goes first, so that each state that is there has its weights.

    Parameters
    ----------
    best: the iteration of the best test.
    """
    states = {path: iteration_of(path) or 0 for path in prefix.parent.glob(f"{escape(prefix.name)}_iter_*.solverstate*")}
    states = {path: number for path, number in states.items() if iteration_of(path) is not None}
    staying = set(sorted(set(states.values()))[-keep.last :]) | ({best} if keep.best and best is not None else set())
    old = [path for path, number in sorted(states.items(), key=lambda item: item[1]) if number not in staying]
    for state in old:
        weights = state.with_name(state.name.replace(".solverstate", ".caffemodel"))
        for path in (state, side_path(state), weights):
            with suppress(OSError):  # what cannot be removed stays, and is tried again after the next snapshot
                path.unlink()
    return old
