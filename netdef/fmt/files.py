"""`netdef fmt`: files read, brought into their canonical form, and written."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from netdef.fmt.form import formatted
from netdef.language import NetdefError
from netdef.language.files import text_of_file

STDIN = "-"
TROUBLE = 2  # exit code


@dataclass(frozen=True)
class Formatted:
    """A file's text before and after."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


def format_file(name: str, to: str | None = None) -> Formatted:
    """The canonical form of a file.

    Raises
    ------
    NetdefError: it cannot be read, or has mistakes.
    """
    if name == STDIN:
        before = sys.stdin.read()
        return Formatted("<stdin>", before, formatted(before, "<stdin>", to))
    before = text_of_file(name, name)
    return Formatted(name, before, formatted(before, name, to))


def format_files(names: Iterable[str], only_check: bool, to: str | None, in_place: bool, say: Callable[..., object]) -> int:
    """Run `netdef fmt` on files, one with mistakes not stopping the others. Returns the exit code.

    `say` prints a text; with `err=True` an error.
    """
    if only_check and in_place:
        raise NetdefError("--check changes nothing, -i does", hint="give one of them")
    code = 0
    for name in names:
        try:
            found = format_file(name, to)
            if only_check:
                code = max(code, int(found.changed))
                if found.changed:
                    say(f"{name} is not in its form")
            elif not in_place or name == STDIN:
                say(found.after, nl=False)
            elif found.changed:
                write_over(name, found.after)
                say(f"{name} rewritten")
        except NetdefError as error:
            say(str(error), err=True)
            code = TROUBLE
    return code


def write_over(path: str | os.PathLike[str], text: str) -> None:
    """Write a text as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file beside the one that it replaces, and rename it: whatever happens, one of the two is there whole.

    Raises
    ------
    NetdefError: it cannot be written.
    """
    target = Path(path).resolve()
    temporary = None
    try:
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        else:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise NetdefError(f"cannot write {path}: {error.strerror}") from None
