"""Dropping compiled kernels that were made from other sources.

Numba checks only the file that a function stands in; a kernel that calls a function of another file, or a changed compiler flag,
would go on running as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

from runtime.kernels.rooms import OPS

STAMP = "netdef-kernels.digest"


def digest(folders: Iterable[Path]) -> str:
    """Of all Python files in and below some folders, names and contents."""
    state = blake2b(digest_size=16)
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


@cache
def kernel_sources() -> str:
    """The digest of all that kernels are made of."""
    return digest([OPS, Path(__file__).parent])


def drop_stale(caches: Iterable[Path], sources: str) -> None:
    """Remove numba's index files from caches that were not made from these sources.

    Parameters
    ----------
    caches: folders that hold these kernels' compiled forms and no others.
    sources: their digest.  A cache that cannot be written is left alone: nothing can have been compiled into it either.
    """
    for folder in caches:
        stamp = folder / STAMP
        with suppress(OSError):
            if stamp.is_file() and stamp.read_text() == sources:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            for index in folder.glob("*.nbi"):
                index.unlink(missing_ok=True)
            stamp.write_text(sources)
