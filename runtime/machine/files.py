"""Writing files so that none is ever seen half written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netdef.language.diagnostics import NetdefError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A file to write beside `path`; when the block ends well it is synced and takes that name, else it is removed.

    Raises
    ------
    NetdefError: it cannot be written (a full disk, no permission ...); what was at `path` is untouched.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        sync(beside)
        os.replace(beside, path)
        sync(path.parent)
    except OSError as error:
        kept = "; the file of that name is still whole" if path.exists() else ""
        raise NetdefError(f"cannot write {path}: {error.strerror or error}{kept}") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
