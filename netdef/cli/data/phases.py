"""Write data that come in two phases: a database for each, or one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from netdef.cli.data.options import kind_for
from netdef.cli.data.writing import write
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.data.records import Records

PHASES = ("train", "test")


def write_phases(read: Callable[[str], Records], out: str, backend: str | None, threads: int | None) -> Iterator[str]:
    """Write the records of each phase; gives a line about each.

    Raises
    ------
    NetdefError: the data cannot be read, or a name is taken or cannot be written.
    """
    kind, path = kind_for(out, backend), Path(out)
    stem, end = (path.with_suffix(""), path.suffix) if kind == "HDF5" else (path, "")
    names = {phase: str(path / phase) if kind == "FOLDER" else f"{stem}_{phase}{end}" for phase in PHASES}
    taken = [name for name in names.values() if Path(name).exists()]
    if len(taken) == len(names):
        raise NetdefError(f"{' and '.join(taken)} exist already", hint="remove them, or give another name")
    records = {phase: read(phase) for phase in PHASES}  # both, before anything is written
    for phase in PHASES:
        if names[phase] in taken:
            yield f"{names[phase]} exists already and stays as it is"
        else:
            yield write(records[phase], names[phase], kind, threads)
