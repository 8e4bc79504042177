"""Files that a solver names outside of its own folder, and snapshots outside of a run's directory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

from netdef.language.diagnostics import Diagnostic, Remark
from netdef.language.find import packaged
from netdef.language.reach import CODE, REMEDY, folder_of, is_given, named_outside
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
                if packaged(path, ".net") is None and (found := named_outside(path.strip(), at)) is not None:
                    yield Diagnostic(f"{field.name} leads to {found}, outside of {folder_of(at)}", at, REMEDY, code=CODE)
    at = bound.position(("snapshot_prefix",))
    if leads_out(solver.snapshot_prefix) and not is_given(at):
        text = f"snapshot_prefix leads to {solver.snapshot_prefix}, outside of the run's directory"
        yield Diagnostic(text, at, RELATIVE, code=CODE)


def remark_on_reach(bound: Any) -> None:
    """Warn (Remark) of what a training reads or writes outside, but for the net, which it may get from the caller."""
    for one in reaches(bound, ("weights",)):
        warnings.warn(f"{one.position}: {one.message}" if one.position else one.message, Remark, stacklevel=1)


def leads_out(prefix: str) -> bool:
    """Whether a snapshot_prefix leaves the directory of the run that it is put under."""
    return os.path.isabs(prefix) or os.path.normpath(prefix).split(os.sep)[0] == os.pardir
