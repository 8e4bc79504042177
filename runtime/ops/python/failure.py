"""Errors of the user's code: one line of ours, then the user's own lines in which it happened."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from netdef.language.diagnostics import NetdefError, Note, Position, Source
from netdef.layers.python import Python

IMPORTED = "while it was imported"
LONGEST = 400  # characters of an exception's text
OURS = tuple(Path(__file__).parents[3] / package for package in ("runtime", "netdef"))
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
INSTALLED = {"site-packages", "dist-packages"}  # folders of a user's and of the system's packages, which a venv may see too


class UserCodeError(NetdefError):
    """The user's code raised something; that is its cause."""


def failure(layer: Python, doing: str, error: BaseException, hint: str = "") -> UserCodeError:
    """The error of a layer whose code raised another one.  doing: what was called, such as "pyloss.Loss.forward"."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return UserCodeError(f"Python {layer.name}: {doing} raised {what}", layer.position, hint, list(frames(error)))


def frames(error: BaseException) -> Iterator[Note]:
    """The calls that led to it, outermost first; those inside libraries and netdef are left out."""
    for frame in traceback.extract_tb(error.__traceback__):
        if not is_library(frame.filename):
            name = f"in {frame.name}" if not frame.name.startswith("<") else IMPORTED
            one_line = frame.colno is not None and frame.end_colno is not None and frame.lineno == frame.end_lineno
            start, end = (frame.colno or 0, frame.end_colno or 1) if one_line else (0, 1)
            yield Note(name, _position(frame.filename, frame.lineno or 1, start, end))
    if isinstance(error, SyntaxError) and error.filename:
        start = (error.offset or 1) - 1
        yield Note("here", _position(error.filename, error.lineno or 1, start, start + 1))


def shown_path(file: str) -> str:
    """A file's path as messages have it: from the working directory, if it is in there."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def is_library(file: str) -> bool:
    """Whether a file is not the user's: of Python, of an installed package, or of netdef."""
    return file.startswith(("<", *LIBRARIES)) or is_ours(file) or not INSTALLED.isdisjoint(Path(file).parts)


def is_ours(file: str) -> bool:
    """Whether a file is netdef's."""
    return any(Path(file).is_relative_to(folder) for folder in OURS)


def _position(file: str, line: int, start: int, end: int) -> Position:
    name = shown_path(file)
    return Position(name, line, start + 1, max(1, end - start), Source(name, "".join(linecache.getlines(file))))
