"""`netdef fmt`: files read, brought into their canonical form, and written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import unified_diff

from netdef.fmt.form import formatted
from netdef.language import NetdefError
from netdef.language.contents import text_of, text_of_file
from netdef.language.find import packaged
from netdef.language.writing import write_over

STDIN = "-"
TROUBLE = 2  # exit code
MOST_COMPARED = 5000  # lines of a file that are shown line against line: the time grows faster than their number


@dataclass(frozen=True)
class Formatted:
    """A file's text before and after."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def difference(self) -> str:
        """What would change, as `diff -u` shows it; in words where that would not show, or take long."""
        before, after = self.before.splitlines(), self.after.splitlines()
        if before == after:
            return f"{self.name}: only the ends of its lines would change\n"
        if len(before) > MOST_COMPARED:
            return f"{self.name}: {len(before)} lines would become {len(after)}\n"
        lines = unified_diff(before, after, self.name, f"{self.name} in its form", n=2, lineterm="")
        return "".join(f"{line}\n" for line in lines)


def format_file(name: str, to: str | None = None) -> Formatted:
    """The canonical form of a file.

    Raises
    ------
    NetdefError: it cannot be read, or has mistakes.
    """
    if name == STDIN:
        before = text_of(sys.stdin.buffer.read(), "<stdin>")
        return Formatted("<stdin>", before, formatted(before, "<stdin>", to))
    path = str(packaged(name, ".net") or packaged(name, ".txt") or name)
    before = text_of_file(path, name)
    return Formatted(path, before, formatted(before, path, to))


def format_files(names: Iterable[str], only_check: bool, to: str | None, in_place: bool, say: Callable[..., object]) -> int:
    """Run `netdef fmt` on files, one with mistakes not stopping the others. Returns the exit code.

    `say` prints a text; with `err=True` an error.
    """
    if only_check and in_place:
        raise NetdefError("--check changes nothing, -i does", hint="give one of them")
    names = list(names)
    if in_place and STDIN in names:
        raise NetdefError("-i writes files, - is the standard input", hint="without -i, its form is printed")
    code = 0
    for name in names:
        try:
            found = format_file(name, to)
            if only_check:
                code = max(code, int(found.changed))
                if found.changed:
                    say(f"{found.name} is not in its form")
                    say(found.difference(), nl=False)
            elif not in_place:
                say(found.after, nl=False)
            elif found.name not in (name, "<stdin>"):
                raise NetdefError(f"{name} came with netdef: -i changes files of your own", hint=f"netdef fmt {name} > mine")
            elif found.changed:
                write_over(name, found.after)
                say(f"{name} rewritten")
        except NetdefError as error:
            say(str(error), err=True)
            code = TROUBLE
    return code
