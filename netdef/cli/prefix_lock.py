"""A lock on a snapshot_prefix outside of the run's directory, which the log of that directory does not keep for its run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netdef.language.diagnostics import NetdefError
from runtime.solver.log import is_named, lock_soon


@contextmanager
def prefix_locked(prefix: Path, out: Path) -> Iterator[None]:
    """Keep other runs from a prefix: until the block ends, or the process in any way.

    Raises
    ------
    NetdefError: another run has it.
    """
    target = prefix.resolve()
    if target.is_relative_to(out.resolve()):
        yield
        return
    path = target.with_name(f".{target.name}.lock")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise NetdefError(f"cannot write {path}: {error.strerror}") from None
    try:
        if not (lock_soon(file) and is_named(file, path)):
            raise NetdefError(
                f"another run is writing snapshots to {prefix}", hint="change snapshot_prefix, or wait until that run has ended"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)
