"""Write files atomically."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netdef.language.diagnostics import NetdefError


@contextmanager
def replacing(path: str | os.PathLike[str], make_folders: bool = False) -> Iterator[Path]:
    """A file to write in the same folder; when the block ends well it is synced and renamed to `path`, else it is removed.

    At any moment the old or the new file is complete. Permissions of an existing file are kept, and a link is followed.

    Parameters
    ----------
    make_folders: whether to make the folders that `path` needs.

    Raises
    ------
    NetdefError: it cannot be written (a full disk, no permission ...); what was at `path` is untouched.
    """
    target = Path(path).resolve()
    partial = target.with_name(f".{target.name}.partial")
    try:
        if make_folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if target.exists():
            os.chmod(partial, target.stat().st_mode & 0o7777)
        sync(partial)
        os.replace(partial, target)
        sync(target.parent)
    except OSError as error:
        raise _unwritable(path, target, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def write_over(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Write a file as `replacing` does. A pipe or a device is written to directly.

    Raises
    ------
    NetdefError: it cannot be written.
    """
    whole = data.encode() if isinstance(data, str) else data
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_dir():
        try:
            target.write_bytes(whole)
        except OSError as error:
            raise _unwritable(path, target, error) from error
        return
    with replacing(path) as partial:
        partial.write_bytes(whole)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: str | os.PathLike[str], target: Path, error: OSError) -> NetdefError:
    kept = "; the file of that name is still whole" if target.is_file() else ""
    hint = "" if target.parent.is_dir() else f"there is no folder {Path(path).parent}"
    return NetdefError(f"cannot write {path}: {error.strerror or error}{kept}", hint=hint)
