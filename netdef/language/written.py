"""Texts that netdef wrote for this user: what they name outside of their folder is the user's own choice, and not remarked on.

A text is known by its path and its contents, in the user's cache, where no file that comes from elsewhere can enter itself. A copy,
a change, or another machine makes it a text like others. Inside `only_inside` it is refused as others are.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

KEPT = 1000  # entries, the newest


def note_written(path: str | os.PathLike[str]) -> None:
    """Enter a file as written by netdef; a cache that cannot be written to is left."""
    with suppress(OSError, RuntimeError):  # RuntimeError: there is no home
        entry = _entry(path)
        entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        entry.touch()
        _drop_older(entry.parent)


def _drop_older(folder: Path) -> None:
    entries = list(folder.iterdir())
    if len(entries) > KEPT:
        for entry in sorted(entries, key=lambda one: one.stat().st_mtime_ns)[:-KEPT]:
            entry.unlink(missing_ok=True)


def is_written(path: str | os.PathLike[str]) -> bool:
    """Whether a file is as netdef wrote it at that path."""
    try:
        return _entry(path).is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _entry(path: str | os.PathLike[str]) -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(given) if os.path.isabs(given) else Path.home() / ".cache"  # a relative one could come with the texts
    digest = sha256(os.fsencode(os.path.realpath(path)) + b"\0" + Path(path).read_bytes())
    return cache / "netdef" / "written" / digest.hexdigest()
