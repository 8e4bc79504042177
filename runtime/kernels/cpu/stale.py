"""Compiled kernels that were made from other sources are dropped.

Numba compares only the file that a function stands in; a kernel that calls a function of another file, or whose compiler flags
changed, would go on running as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

ROOT = Path(__file__).parents[3]

# Statements at the beginning of a line: reading a hundred files so takes a fraction of the time of parsing them.
IMPORT = re.compile(r"^(?:from (\S+) import (\((?:[^)#]|#.*)*\)|.*)|import (.*))", re.M)
WORD = re.compile(r"[\w.]+")
COMMENT = re.compile("#.*")


@cache
def imported(file: Path) -> tuple[Path, ...]:
    """The files below ROOT that a file imports when it is loaded, itself first; not those that only its type hints need."""
    names: list[str] = []
    for module, imports, modules in IMPORT.findall(file.read_text(encoding="utf-8")):
        found = WORD.findall(COMMENT.sub("", imports or modules))
        names += [module, *(f"{module}.{name}" for name in found)] if module else found
    return file, *dict.fromkeys(path for name in names for path in _files(name))


@cache
def _files(module: str) -> tuple[Path, ...]:
    path = ROOT.joinpath(*module.split("."))
    return tuple(file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def sources(files: Iterable[Path]) -> list[Path]:
    """These files and all below ROOT that they import, directly or through others, sorted."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += imported(file)
    return sorted(found)


@cache
def digest(files: tuple[Path, ...]) -> str:
    """Of `sources(files)`, names and contents."""
    state = blake2b(digest_size=16)
    for path in sources(files):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


@cache
def drop_stale(folder: Path, module: str, files: tuple[Path, ...]) -> None:
    """Remove numba's index files of a module's functions if they were not made from the sources of `files`; looks once a process.

    Parameters
    ----------
    folder: numba's cache.  One that cannot be written is left as it is: nothing can have been compiled into it either.
    module: the module's name as numba's files begin with it, without its packages.
    files: that the functions are written in.
    """
    stamp = folder / f"{module}.digest"
    with suppress(OSError):
        now = digest(files)
        if stamp.is_file() and stamp.read_text() == now:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for index in folder.glob(f"{module}.*.nbi"):
            index.unlink(missing_ok=True)
        stamp.write_text(now)
