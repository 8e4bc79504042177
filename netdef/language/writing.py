"""Write files atomically."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from netdef.language.diagnostics import NetdefError

NO_SYNC = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)  # of a folder that may be written and not read, or where folders have no sync


@contextmanager
def replacing(path: str | os.PathLike[str], make_folders: bool = False) -> Iterator[Path]:
    """A file to write in the same folder; when the block ends well it is synced and renamed to `path`, else it is removed.

    At any moment the old or the new file is complete. Permissions of an existing file are kept, and a link is followed. The file
    to write is a new one: a link that somebody else made under its name is not written through.

    Parameters
    ----------
    make_folders: whether to make the folders that `path` needs.

    Raises
    ------
    NetdefError: it cannot be written (a full disk, no permission ...); what was at `path` is untouched.
    """
    target = Path(path).resolve()
    partial = partial_path(target)
    mine: int | None = None
    try:
        if target.is_dir():  # said before anything is written: other files may get their names first
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if make_folders:
            make_folder(target.parent)
        partial.unlink(missing_ok=True)  # of a process that was killed
        mine = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        yield partial
        if target.exists():
            os.chmod(partial, target.stat().st_mode & 0o7777)
        sync(partial)
        if not os.path.samestat(os.fstat(mine), os.stat(partial)):
            raise OSError(errno.EBUSY, "another process is writing it")
        os.replace(partial, target)
        sync_names(target.parent)
    except OSError as error:
        raise _unwritable(path, target, error) from error
    finally:
        if mine is not None:
            with suppress(OSError):
                if os.path.samestat(os.fstat(mine), os.lstat(partial)):
                    partial.unlink()
            os.close(mine)


def partial_path(target: Path) -> Path:
    """Where a file is written until it is whole; what a process that was killed left there goes when the file is written again."""
    return target.with_name(f".{target.name}.partial")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and wait until their names are on disk.

    Raises
    ------
    OSError: one cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_names(folder.parent)


@contextmanager
def replacing_files(folder: str | os.PathLike[str], names: Sequence[str]) -> Iterator[list[Path]]:
    """Files to write for a folder, all or none: they get their names when the block ends well and all of them are whole.

    A new folder gets its name with all files in it. In one that exists the files are renamed one after another.

    Raises
    ------
    NetdefError: one cannot be written; what was there is untouched.
    """
    target = Path(folder).resolve()
    if target.is_dir():
        with ExitStack() as stack:
            yield [stack.enter_context(replacing(target / name)) for name in names]
        return
    partial = partial_path(target)
    try:
        make_folder(target.parent)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        files = [partial / name for name in names]
        yield files
        for file in files:
            sync(file)
        sync_names(partial)
        os.replace(partial, target)
        sync_names(target.parent)
    except OSError as error:
        raise _unwritable(folder, target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_over(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Write a file as `replacing` does. A pipe or a device is written to directly.

    Raises
    ------
    NetdefError: it cannot be written.
    """
    whole = data.encode() if isinstance(data, str) else data
    target = Path(path)
    if os.path.exists(target) and not target.is_file() and not target.is_dir():
        try:
            target.write_bytes(whole)
        except OSError as error:
            raise _unwritable(path, target, error) from error
        return
    with replacing(path) as partial:
        partial.write_bytes(whole)


def sync(path: Path) -> None:
    """Wait until a file's contents are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_names(folder: Path) -> None:
    """Wait until the names in a folder are on disk, where its permissions and the file system allow it."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def _unwritable(path: str | os.PathLike[str], target: Path, error: OSError) -> NetdefError:
    kept = "; the file of that name is still whole" if os.path.isfile(target) else ""  # False, no error, of a name too long
    hint = "" if os.path.isdir(target.parent) else f"there is no folder {Path(path).parent}"
    return NetdefError(f"cannot write {path}: {error.strerror or error}{kept}", hint=hint)
