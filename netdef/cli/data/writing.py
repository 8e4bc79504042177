"""Write records to a database, and say what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netdef.cli.data.options import Skipped, skipped_text, workers
from netdef.cli.progress import progress
from netdef.language.units import plural

if TYPE_CHECKING:
    from runtime.data.records import Records

NAMES = {"LMDB": "LMDB", "LEVELDB": "LevelDB", "HDF5": "HDF5", "FOLDER": "folder of images"}


def note_changed(names: list[str]) -> None:
    """Say which records are written anew as their files were changed."""
    more = f", and those of {len(names) - 1:,} more" if len(names) > 1 else ""
    click.echo(f"the file of {names[0]} was changed after it was copied{more}: going on from there", err=True)


def write(records: Records, out: str, kind: str, threads: int | None, seed: int | None = None, one_size: bool = False) -> str:
    """Write all records to a new database; returns a line about it.

    Parameters
    ----------
    seed: of the order; None keeps theirs.  one_size: whether all must be as large as the first.

    Raises
    ------
    NetdefError: too many records cannot be read, or the database is there or cannot be written.
    """
    from runtime.data.copying import copy, shuffled
    from runtime.data.database_writer import Staged

    staged = Staged(out, kind, f"{records.fingerprint} {kind} {seed}", records.classes)
    if staged.removed:
        click.echo(f"{staged.folder} had an interrupted conversion of other data or options: it begins anew", err=True)
    order = None if seed is None else shuffled(records.size, seed)
    try:
        with progress("writing", records.size) as on_done:
            copied = copy(records, staged, workers(threads), order, one_size, Skipped(), on_done, note_changed)
    except KeyboardInterrupt:
        click.echo(f"{staged.done:,} of {records.size:,} records are in {staged.folder}; the same command goes on there", err=True)
        raise
    before = f", {copied.before:,} of them before it was interrupted" if copied.before else ""
    classes = f" of {plural(len(records.classes), 'class', 'classes')}" if records.classes else ""
    return f"{out}: {copied.written:,} records{classes}{before}, {NAMES[kind]}{skipped_text(copied.skipped)}"
