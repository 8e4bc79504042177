"""Files that a solver names outside of its own folder, and snapshots outside of a run's directory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import Diagnostic, NetdefError, Position, Remark
from netdef.language.find import find_beside, is_packaged
from netdef.language.reach import CODE, REMEDY, folder_of, is_given, outside
from netdef.language.written import is_written
from netdef.schema import is_repeated

NETS = ("net", "train_net", "test_net")
RELATIVE = "make it relative, without .., or leave out --inside, if you trust the solver"


def reaches(bound: Any, fields: tuple[str, ...] = (*NETS, "weights")) -> Iterator[Diagnostic]:
    """An error for each file outside that a solver (its `message` and `position`) names, in some fields and as snapshot_prefix."""
    solver = bound.message
    for field, value in solver.ListFields():
        for index, one in enumerate(value if is_repeated(field) else [value]) if field.name in fields else ():
            at = bound.position((field.name, index) if is_repeated(field) else (field.name,))
            for path in one.split(",") if field.name == "weights" else [one]:
                if (found := _found_outside(field.name, path, at)) is not None:
                    yield Diagnostic(f"{field.name} leads to {found}, outside of {folder_of(at)}", at, REMEDY, code=CODE)
    at = bound.position(("snapshot_prefix",))
    if leads_out(solver.snapshot_prefix) and not is_given(at):
        text = f"snapshot_prefix leads to {solver.snapshot_prefix}, outside of the run's directory"
        yield Diagnostic(text, at, RELATIVE, code=CODE)


def _found_outside(field: str, path: str, at: Position | None) -> Path | None:
    """Where the file leads that a training opens for a field, if that is outside; None if the caller names it."""
    if is_given(at):
        return None
    folder = Path(at.file).parent if at is not None else Path()
    file = folder / path
    with suppress(NetdefError, OSError, ValueError):  # nothing can be opened
        if field in NETS:
            file = find_beside(path, folder)
        elif not file.exists() and os.path.exists(path):
            file = Path(path)
    return None if field in NETS and is_packaged(file) else outside(file, folder)


def remark_on_reach(bound: Any) -> None:
    """Warn (Remark) of what a training reads or writes outside, but for the net, which it may get from the caller."""
    for one in reaches(bound, ("weights",)):
        if one.position is not None and is_written(one.position.file):
            continue
        warnings.warn(f"{one.position}: {one.message}" if one.position else one.message, Remark, stacklevel=1)


def leads_out(prefix: str) -> bool:
    """Whether a snapshot_prefix leaves the directory of the run that it is put under."""
    return os.path.isabs(prefix) or os.path.normpath(prefix).split(os.sep)[0] == os.pardir
