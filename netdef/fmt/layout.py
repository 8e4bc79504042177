"""How items stand on lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from netdef.fmt.items import Item

WIDTH = 120  # columns of a line, as far as shorter pieces can be had
INDENT = "  "
WIDEST_ASIDE = 60  # columns of a line up to which comments behind lines are brought below one another


@dataclass
class Line:
    """A line, and the comment behind it."""

    text: str
    beside: str = ""


def render(items: Iterable[Item], last: Iterable[str], compact: bool) -> str:
    """The text of a file; `compact` puts braces on one line as far as they fit, otherwise each field has its own."""
    lines = list(_statements(list(items), "", compact))
    lines += [Line(comment) for comment in last]
    return "\n".join(_aligned(_spaced(lines))) + "\n"


def _statements(items: list[Item], indent: str, compact: bool) -> Iterator[Line]:
    for item in items:
        yield from _above(item, indent)
        yield from _statement(item, indent, compact)


def _above(item: Item, indent: str) -> Iterator[Line]:
    for comment in item.above:
        yield Line(f"{indent}{comment}" if comment else "")


def _statement(item: Item, indent: str, compact: bool) -> Iterator[Line]:
    if item.body is None:
        yield from _wrapped(item.pieces(), indent, item.beside)
        return
    flat = _flat(item) if compact or not item.body else None
    if flat is not None and len(indent) + len(flat) <= WIDTH:
        yield Line(f"{indent}{flat}", item.beside)
        return
    yield from _wrapped([*item.pieces()[:-1], f"{item.pieces()[-1]} {{"], indent, item.opened)
    inner = indent + INDENT
    yield from _flowing(item.body, inner) if compact else _statements(item.body, inner, compact)
    for comment in item.inside:
        yield Line(f"{inner}{comment}" if comment else "")
    yield Line(f"{indent}}}", item.beside)


def _flat(item: Item) -> str | None:
    """An item on one line; None if comments forbid it."""
    if item.body is None:
        return item.line()
    if item.opened or item.inside:
        return None
    pieces = []
    for inner in item.body:
        piece = None if any(inner.above) or inner.beside else _flat(inner)
        if piece is None:
            return None
        pieces.append(piece)
    if not pieces and item.head is not None and item.head.word == "layer":
        return item.line()
    return " ".join([item.line(), "{", *pieces, "}"])


def _flowing(items: list[Item], indent: str) -> Iterator[Line]:
    """The inside of braces that do not fit a line: settings together, then each kind of block on lines of its own."""
    for _, group in groupby(items, key=_kind):
        pending: list[str] = []
        for item in group:
            flat = None if item.commented else _flat(item)
            if flat is None or len(indent) + len(flat) > WIDTH:
                yield from _filled(pending, indent)
                pending = []
                yield from _above(item, indent)
                yield from _statement(item, indent, True)
            else:
                if item.above:
                    yield from _filled(pending, indent)
                    pending = []
                    yield Line("")
                pending.append(flat)
        yield from _filled(pending, indent)


def _wrapped(pieces: list[str], indent: str, beside: str) -> Iterator[Line]:
    """A statement on as many lines as it takes, the second and on further in than what is in its braces."""
    first, *more = pieces
    line = indent + first
    for piece in more:
        if len(line) + 1 + len(piece) > WIDTH:
            yield Line(line)
            line = f"{indent}{2 * INDENT}{piece}"
        else:
            line = f"{line} {piece}"
    yield Line(line, beside)


def _kind(item: Item) -> str:
    return item.name if item.body is not None else ""


def _filled(pieces: list[str], indent: str) -> Iterator[Line]:
    """As many pieces on a line as it holds."""
    line = ""
    for piece in pieces:
        if line and len(indent) + len(line) + 1 + len(piece) > WIDTH:
            yield Line(indent + line)
            line = ""
        line = f"{line} {piece}" if line else piece
    if line:
        yield Line(indent + line)


def _spaced(lines: Iterable[Line]) -> list[Line]:
    """Without empty lines at the start and end of braces, and no two in a row."""
    result: list[Line] = []
    for line in lines:
        last = result[-1].text if result else "{"
        if not line.text and (not last or _opens(last)):
            continue
        if line.text.lstrip() == "}" and not last:
            result.pop()
        result.append(line)
    while result and not result[-1].text:
        result.pop()
    return result


def _opens(text: str) -> bool:
    return text.endswith("{") and not text.lstrip().startswith("#")


def _aligned(lines: list[Line]) -> Iterator[str]:
    """Comments behind lines that follow one another stand below one another."""
    for _, group in groupby(lines, key=_runs(lines)):
        run = list(group)
        widths = [len(line.text) for line in run if line.beside and len(line.text) <= WIDEST_ASIDE]
        column = max(widths, default=0)
        for line in run:
            yield f"{line.text.ljust(column)}  {line.beside}" if line.beside else line.text


def _runs(lines: list[Line]) -> Callable[[Line], int]:
    """Numbers lines by the stretch that they are in: plain ones of one depth, with no empty line or comment between them."""
    numbers: dict[int, int] = {}
    count, depth = 0, -1
    for line in lines:
        bare = line.text.lstrip()
        plain = bool(bare) and not bare.startswith(("#", "}")) and not _opens(line.text)
        here = len(line.text) - len(bare) if plain else -1
        if here != depth or not plain:
            count += 1
        depth = here
        numbers[id(line)] = count
    return lambda line: numbers[id(line)]
