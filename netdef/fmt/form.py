"""A file's text in its canonical form, in the language's own short form or in Caffe's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netdef.fmt.comments import attach
from netdef.fmt.compact import closed_up, compacted
from netdef.fmt.expand import expanded
from netdef.fmt.factor import factored
from netdef.fmt.included import with_included
from netdef.fmt.items import Item, items_of
from netdef.fmt.layout import render
from netdef.fmt.lists import gathered, spread
from netdef.language import Bound, NetdefError, parse, read_text
from netdef.language.gc_pause import gc_paused
from netdef.language.kinds import SOLVER, kind_of_text
from netdef.language.nodes import Field, Statement

NET, PROTOTXT = "net", "prototxt"


@gc_paused
def formatted(text: str, filename: str, to: str | None = None) -> str:
    """The canonical form of a net's or solver's text.

    Parameters
    ----------
    to: "net" for the short form, "prototxt" for Caffe's; by default that of the file's ending, or else the one it is in.

    Raises
    ------
    NetdefError: with all that is wrong in the text.
    """
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").replace("\r\n", "\n").replace("\r", "\n")
    message_name = "SolverParameter" if kind_of_text(text, filename) == SOLVER else "NetParameter"
    bound = read_text(text, filename, message_name)
    written = _Written(text, parse(text, filename).statements)
    if message_name == "SolverParameter":
        to = PROTOTXT  # the one form that solvers have
    to = to or _form_of(filename, written)
    if bound.notes or (to == PROTOTXT and written.short):
        made = _checked(_expanded(written, bound), bound)
        return made if to == PROTOTXT else formatted(made, filename, NET)
    if to == PROTOTXT:
        return _checked(_as_it_stands(written), bound)
    return _shortened(written, bound)


@dataclass
class _Written:
    """A text and its statements."""

    text: str
    statements: list[Statement]

    @property
    def short(self) -> bool:
        """Whether anything in it is not in Caffe's form."""
        return any(not isinstance(statement, Field) for statement in self.statements)

    def items(self) -> tuple[list[Item], list[str]]:
        """The statements with their comments, to be changed at will; and the comments behind the last one."""
        items = items_of(self.statements)
        return items, attach(self.text, items)


def _form_of(filename: str, written: _Written) -> str:
    """The form that a file's ending asks for, or else the one it is in."""
    if filename.endswith(".net"):
        return NET
    return NET if written.short and not filename.endswith((".prototxt", ".pbtxt")) else PROTOTXT


def _as_it_stands(written: _Written) -> str:
    """Caffe's form of a text that is in it already."""
    items, last = written.items()
    return render(spread(items), last, compact=False)


def _expanded(written: _Written, bound: Bound) -> str:
    """Caffe's present form of what was read."""
    items, last = written.items()
    if bound.source is not None:
        items = with_included(items, bound.source, bound.source.included)
    made, more = expanded(bound, items)
    kept = {unknown.name for unknown in bound.unknown}
    made += spread([item for item in items if item.name in kept])
    return render(made, [*more, *last], compact=False)


def _shortened(written: _Written, bound: Bound) -> str:
    """The short form: layers on one line, as far as that says the same; with defaults if the file is all in the long one."""
    for effort in (2, 1, 0):
        items, last = written.items()
        long = all(item.head is None and item.name for item in items)
        if effort:
            items = [compacted(item) for item in (closed_up(items) if long else items)]
        if effort == 2 and long:
            items = factored(items)
        made = render(gathered(items), last, compact=True)
        if effort and _same(made, bound):
            return made
    return _checked(made, bound)


def _same(text: str, bound: Bound) -> bool:
    """Whether a text says what was read."""
    try:
        again = read_text(text, bound.filename, bound.message.DESCRIPTOR.name).message
    except NetdefError:
        return False
    return _bytes(again) == _bytes(bound.message)


def _bytes(message: Any) -> bytes:
    return message.SerializeToString(deterministic=True)


def _checked(text: str, bound: Bound) -> str:
    """Raises NetdefError where a text does not say what was read: better no new form than another meaning."""
    if not _same(text, bound):
        raise NetdefError(f"{bound.filename} cannot be written in this form without changing what it means")
    return text
