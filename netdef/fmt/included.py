"""The statements of included files, with their comments, where another file includes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netdef.fmt.comments import attach
from netdef.fmt.items import Item, items_of
from netdef.language import parse
from netdef.language.source import Source

IncludedFile = tuple[int, Source]  # the offset at which the binder counts an included file from, and the file


def with_included(items: list[Item], source: Source, files: Sequence[IncludedFile]) -> list[Item]:
    """The items of a file, those of each file that it includes behind the statement that does so."""
    result: list[Item] = []
    for item in items:
        result.append(item)
        for begin, file in files:
            if item.head is None and not item.name and item.start <= _named_at(file, source) < item.end:
                result += _of_file(begin, file, files)
    return result


def _named_at(file: Source, source: Source) -> int:
    """The offset in a source at which a file is named that it includes; -1 if another one does."""
    at = file.included_from
    return source.starts[at.line - 1] + at.column - 1 if at is not None and at.source is source else -1


def _of_file(begin: int, file: Source, files: Sequence[IncludedFile]) -> list[Item]:
    items = items_of(parse(file.text, file.name).statements)
    last = attach(file.text, items)
    whole = with_included(items, file, files)
    _shift(items, begin)
    return [*whole, Item(above=last)] if last else whole


def _shift(items: Iterable[Item], by: int) -> None:
    """Count offsets as the binder does."""
    for item in items:
        item.start += by
        item.end += by
        if item.key is not None:
            item.key = item.key[0], item.key[1] + by
        _shift(item.body or (), by)
