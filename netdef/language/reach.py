"""Files that a net or a solver names outside of its own folder: they are remarked on, and refused inside `only_inside`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from netdef.language.diagnostics import Position

CODE = "ND405"
REMEDY = "move it there, or leave out --inside, if you trust the file that names it"
_only_inside: ContextVar[bool] = ContextVar("only_inside", default=False)


@contextmanager
def only_inside() -> Iterator[None]:
    """Refuse, in this context, nets and solvers that name files outside of their own folder; links are followed.

    What the caller names itself, by arguments, may be anywhere.
    """
    token = _only_inside.set(True)
    try:
        yield
    finally:
        _only_inside.reset(token)


def refuses_outside() -> bool:
    """Whether this is a context of `only_inside`."""
    return _only_inside.get()


def outside(path: str | Path, folder: Path) -> Path | None:
    """Where a path leads, links followed, if that is outside of a folder; None inside it, and for what can be no path."""
    try:
        found, base = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    except (OSError, ValueError):  # nothing can be opened there
        return None
    return None if found == base or base in found.parents else found


def is_given(at: Position | None) -> bool:
    """Whether a position is in what the caller gave."""
    return at is not None and at.source is not None and at.source.by_caller


def named_outside(path: str, at: Position | None, file: str = "", written: bool = False) -> Path | None:
    """`outside`, of a path that a text names at a position; None if the caller gave it instead.

    It starts at the current folder if something is there, or if a run writes it, else at the text's.  file: that of the text, for a
    binary one, which has no positions.
    """
    if is_given(at):
        return None
    folder = Path(at.file if at is not None else file).parent
    return outside(path if written or os.path.exists(path) else folder / path, folder)


def folder_of(at: Position | None, file: str = "") -> str:
    """How a message calls the folder of a text."""
    folder = str(Path(at.file if at is not None else file).parent)
    return "the current folder" if folder == "." else folder
