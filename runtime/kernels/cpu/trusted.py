"""Whether the folder of compiled kernels can be trusted: numba's files there are pickles, and loading one runs what is in it."""

from __future__ import annotations

import os
import stat
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

from netdef.language.diagnostics import Remark

MODE = 0o700  # of the folder itself, where it is the user's
_warned = False


def is_trusted(folder: Path, source: Path) -> bool:
    """Whether nobody but the user, the user's own group and the administrator can have written kernels into a folder.

    A folder beside the sources is as good as these are. Warns of the first one that is not trusted.
    """
    if source in (folder, folder.parent):
        return True
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.getuid():
            folder.chmod(MODE)
    return _check(folder)


@cache
def _check(folder: Path) -> bool:
    whole = Path(os.path.realpath(folder))
    for one in (whole, *whole.parents):
        why = _why_not(one)
        if why:
            _warn(f"kernels are compiled at each start: {why}, so those kept there may not be netdef's")
            return False
    return True


def _warn(text: str) -> None:
    """Warn once a process: there are many folders."""
    global _warned
    if not _warned:
        warnings.warn(f"{text}; NUMBA_CACHE_DIR names another folder", Remark, stacklevel=2)
    _warned = True


def _why_not(folder: Path) -> str:
    """Why a folder on the way to the kernels is not trusted; "" where it is, or is not there."""
    try:
        status = folder.stat()
    except OSError:
        return ""
    if status.st_uid not in (os.getuid(), 0):
        return f"{folder} belongs to another user"
    others = stat.S_IWOTH if status.st_gid == os.getgid() else stat.S_IWOTH | stat.S_IWGRP
    if status.st_mode & others and not status.st_mode & stat.S_ISVTX:
        return f"others can write to {folder}"
    return ""
