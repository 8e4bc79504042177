"""Compiled kernels that were made from other sources are dropped.

Numba compares only the file that a function stands in; a kernel that calls a function of another file, or whose compiler flags
changed, would go on running as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = [ROOT / folder for folder in ("netdef/layers", "runtime/ir", "runtime/kernels", "runtime/ops")]  # all that kernels read
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
    return digest(SOURCES)


@cache
def drop_stale_once(folder: Path) -> None:
    """`drop_stale` for the sources of this process, which do not change while it runs."""
    drop_stale(folder, kernel_sources())


def drop_stale(folder: Path, sources: str) -> None:
    """Remove numba's index files from a cache that was not made from these sources.

    Parameters
    ----------
    folder: holds compiled kernels and nothing else of numba's.
    sources: their digest.  A cache that cannot be written is left alone: nothing can have been compiled into it either.
    """
    stamp = folder / STAMP
    with suppress(OSError):
        if stamp.is_file() and stamp.read_text() == sources:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for index in folder.glob("*.nbi"):
            index.unlink(missing_ok=True)
        stamp.write_text(sources)
