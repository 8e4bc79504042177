"""Read the bytes or the text of a file, and check size and encoding."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.foreign import UTF16, is_binary
from netdef.language.source import Source
from netdef.language.units import binary

BINARY_ENDINGS = (".caffemodel", ".binaryproto", ".solverstate")
MOST_TEXT, MOST_BINARY = 16 << 20, (2 << 30) - 1  # bytes; the second is protobuf's own limit
PATIENCE = 30  # seconds
_UNSAVED: ContextVar[Callable[[Path], str | None]] = ContextVar("unsaved", default=lambda path: None)


@contextmanager
def unsaved(text_of: Callable[[Path], str | None]) -> Iterator[None]:
    """Inside this context, `text_of` replaces the contents of files: it returns the unsaved text of an editor, or None."""
    before = _UNSAVED.set(text_of)
    try:
        yield
    finally:
        _UNSAVED.reset(before)


def text_of_file(path: str | PathLike[str], name: str) -> str:
    """The text of a file, which messages call `name`. Raises NetdefError if it is not text."""
    return text_of(bytes_of(path), name)


def text_of(data: bytes, name: str) -> str:
    """Bytes decoded as text, which messages call `name`. Raises NetdefError if they are not text."""
    if is_binary(data[:65536]):
        raise NetdefError(f"{name} is binary, not text")
    return decoded(data, name).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


def bytes_of(path: str | PathLike[str]) -> bytes:
    """The bytes of a file or a pipe. Raises NetdefError if it cannot be read or is too large."""
    name = fspath(path)
    text = _UNSAVED.get()(Path(path))
    if text is not None:
        return text.encode("utf-8", "replace")
    try:
        with open(path, "rb", buffering=0, opener=_opened) as file:
            return _whole(file, name)
    except FileNotFoundError:
        raise NetdefError(f"{name}: no such file", hint=_similar(Path(path))) from None
    except IsADirectoryError:
        raise NetdefError(f"{name} is a directory, not a file", hint=_inside(Path(path))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NetdefError(f"{name} cannot be read: {reason}") from None


def _opened(path: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _whole(file: Any, name: str) -> bytes:
    """All bytes of an open file, read in pieces: a pipe has no size, and a file may grow while it is read."""
    status = os.fstat(file.fileno())
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        raise NetdefError(f"{name} is a device, not a file")
    pieces: list[bytes] = []
    count, most = 0, MOST_TEXT
    while piece := _piece(file, name, stat.S_ISREG(status.st_mode)):
        if not pieces and (is_binary(piece[:65536]) or name.endswith(BINARY_ENDINGS)):
            most = MOST_BINARY
        pieces.append(piece)
        count += len(piece)
        if max(count, status.st_size) > most:
            raise _too_large(name, status.st_size, most)
    return b"".join(pieces)


def _too_large(name: str, size: int, most: int) -> NetdefError:
    """The error of a file with more bytes than `most`; with its size, if it has one."""
    form, hint = ("text", "a net of 10,000 layers takes about 2 MiB") if most == MOST_TEXT else ("binary data", "")
    text = f"{name} holds {binary(size) if size > most else f'more than {binary(most)}'} of {form}"
    return NetdefError(f"{text}; netdef reads {binary(most)} at most", hint=hint)


def _piece(file: Any, name: str, is_regular: bool) -> bytes:
    """The next bytes of a file; waits for those of a pipe."""
    if not is_regular and not select.select([file], [], [], PATIENCE)[0]:
        raise NetdefError(f"{name} is a pipe without data for {PATIENCE} seconds")
    return file.read(MOST_TEXT + 1)


def decoded(data: bytes, filename: str) -> str:
    if data[:2] in UTF16:
        raise NetdefError(f"{filename} is written in UTF-16", hint="save it as UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        source = Source(filename, data.decode("utf-8", "replace"))
        position = source.position(len(Source(filename, data[: error.start].decode()).text))
        byte = data[error.start]
        raise NetdefError(f"byte 0x{byte:02x} is not UTF-8", position, hint="save the file as UTF-8") from None


def check_text(text: str, filename: str) -> None:
    """Raises NetdefError where a text is too large, or holds half a character (a surrogate)."""
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError as error:
        before = Source(filename, text[: error.start])
        position = before.position(len(before.text))
        raise NetdefError(f"half a character, U+{ord(text[error.start]):04X}", position) from None
    if len(text) > MOST_TEXT:
        raise _too_large(filename, len(text), MOST_TEXT)


def _similar(path: Path) -> str:
    """A hint: files beside a missing one that have similar names."""
    try:
        names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else None
    except OSError:
        return ""
    if names is None:
        return f"there is no directory {path.parent} either"
    from difflib import get_close_matches

    close = get_close_matches(path.name, names, 3, 0.6)
    close += [name for name in sorted(names) if Path(name).stem == path.stem and name not in close][: 3 - len(close)]
    return f"did you mean {' or '.join(str(path.parent / name) for name in close)}?" if close else ""


def _inside(path: Path) -> str:
    """A hint: networks and solvers in a directory."""
    try:
        found = sorted(str(entry) for entry in path.iterdir() if entry.suffix in (".net", ".prototxt"))
    except OSError:
        return ""
    return f"did you mean {' or '.join(found[:3])}?" if found else ""
