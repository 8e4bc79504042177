"""Dropping compiled kernels that were made from other sources.

Numba checks only the file that a function stands in; a kernel that calls a function of another file, or a changed compiler flag,
would go on running as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

STAMP = "netdef-kernels.digest"


def digest(folders: Iterable[Path]) -> str:
    """Of all Python files in and below some folders, names and contents."""
    state = blake2b(digest_size=16)
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


def drop_stale(caches: Iterable[Path], sources: str) -> None:
    """Remove numba's index files from caches that were not made from these sources.

    Parameters
    ----------
    caches: folders that hold these kernels' compiled forms and no others.
    sources: their digest.  A cache that cannot be written is left alone: nothing can have been compiled into it either.
    """
    for cache in caches:
        stamp = cache / STAMP
        with suppress(OSError):
            if stamp.is_file() and stamp.read_text() == sources:
                continue
            cache.mkdir(parents=True, exist_ok=True)
            for index in cache.glob("*.nbi"):
                index.unlink(missing_ok=True)
            stamp.write_text(sources)
