"""Files that a net or a solver names outside of its own folder: they are remarked on, and refused inside `only_inside`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from netdef.language.diagnostics import Diagnostic, NetdefError, Position
from netdef.language.source import Source

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


def refuse_listed(source: Source, paths: Iterable[str], files: Iterable[str], before: str = "") -> None:
    """Inside `only_inside`, refuse a list that names files outside of its folder; links are followed.

    paths: as the list has them.  files: the whole paths, as they are opened.
    before: what goes before each path; then they may lie in that folder instead.

    Raises
    ------
    NetdefError: with the first such line.
    """
    if not refuses_outside():
        return
    start = os.path.dirname(before) or os.path.dirname(source.name) or "."
    base = f"{os.path.realpath(start).rstrip('/')}/"
    folders: dict[str, str] = {}  # where they lead: a list of a million files names few
    for path, file in zip(paths, files, strict=True):
        if "\0" in file:  # nothing can be opened there
            continue
        head, name = os.path.split(file)
        if head not in folders:
            folders[head] = os.path.realpath(head)
        found = os.path.join(folders[head], name)
        if name in ("", ".", "..") or os.path.islink(found):
            found = os.path.realpath(found)
        if not found.startswith(base):
            line = re.search(rf"^[ \t]*({re.escape(path)})(?=\s|$)", source.text, re.MULTILINE)
            at = source.position(line.start(1), line.end(1)) if line is not None else None
            text = f"{path} leads to {found}, outside of {start}"
            raise NetdefError([Diagnostic(text if at is not None else f"{source.name}: {text}", at, REMEDY)])


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
