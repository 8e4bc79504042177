"""Classes of images: their names from a file of labels or from folders, and the label of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from netdef.language.diagnostics import NetdefError
from netdef.language.units import shortened
from runtime.data.texts import printable, read_text_file

EXPECTED = "expected a name a line, the first for class 0"
SHOWN = 8  # names in a message
CLASSES = "classes.txt"  # in the folder of a database that `netdef data` wrote


def read_labels(path: str | Path) -> tuple[str, ...]:
    """The names in a file of labels, one a line; a WordNet number in front (n01440764 tench), as Caffe's has it, is left out.

    Raises
    ------
    NetdefError: the file is missing, is something else, or holds no names.
    """
    lines = read_text_file(path, "a file of labels", EXPECTED).text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise NetdefError(f"{path} holds no labels", hint=EXPECTED)
    return tuple(without_number(printable(line).strip()) for line in lines)


def classes_in(database: str | Path) -> tuple[str, ...] | None:
    """The names of the classes that a database comes with, if it has any."""
    try:
        return tuple((Path(database) / CLASSES).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return None


def without_number(line: str) -> str:
    """A label without its WordNet number."""
    number, _, name = line.partition(" ")
    return name.strip() if len(number) == 9 and number[0] == "n" and number[1:].isdigit() and name else line


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Folders of classes in the order of their labels: by number where all names are numbers, else by name."""
    names = sorted(names)
    numbers = all(name.isascii() and name.isdecimal() for name in names)
    return tuple(sorted(names, key=int) if numbers else names)


def check_known(names: Iterable[str], classes: Sequence[str], where: str) -> None:
    """That data have no classes but those that weights were trained on.

    Raises
    ------
    NetdefError: they have others, which are named.
    """
    known = set(classes)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NetdefError(
            f"{where} has {shown(unknown)}; the weights were trained on {shown(classes)}",
            hint="classes are matched by the names of their folders; leave out images of others",
        )


def check_same(trained: Sequence[str] | None, classes: Sequence[str] | None, where: str) -> None:
    """That data, whose labels are numbers already, have the classes that weights were trained on, where both are known.

    Raises
    ------
    NetdefError: they have others, or in another order.
    """
    if trained is not None and classes is not None and tuple(trained) != tuple(classes):
        raise NetdefError(f"{where} has {shown(classes)}; the weights were trained on {shown(trained)}")


def shown(names: Sequence[str]) -> str:
    """class a; classes a, b; at most SHOWN of them."""
    return f"{'class' if len(names) == 1 else 'classes'} {shortened([*map(printable, names)], SHOWN)}"
