"""Values of one field: as a list in the compact form, one a line in Caffe's."""

from __future__ import annotations

from netdef.fmt.items import Item


def gathered(items: list[Item]) -> list[Item]:
    """`dim: 1 dim: 3` as `dim: [1, 3]`, where none of them has a comment; in all braces."""
    result: list[Item] = []
    for item in items:
        if item.body is not None:
            item.body = gathered(item.body)
        last = result[-1] if result else None
        plain = item.body is None and item.name and not any(item.above) and not item.beside and not _is_empty(item)
        if last is not None and plain and last.name == item.name and last.body is None and not last.beside and not _is_empty(last):
            last.values = [*_values(last), *_values(item)]
            last.text = ""
            last.end = item.end
        else:
            if item.values is not None and len(item.values) == 1:
                item.text, item.values = item.values[0], None
            result.append(item)
    return result


def spread(items: list[Item]) -> list[Item]:
    """`dim: [1, 3]` as `dim: 1 dim: 3`, in all braces."""
    result: list[Item] = []
    for item in items:
        if item.body is not None:
            item.body = spread(item.body)
        if item.values:
            fields = [Item(item.name, value, start=item.start, end=item.end) for value in item.values]
            fields[0].above, fields[-1].beside = item.above, item.beside
            result += fields
        else:
            result.append(item)
    return result


def _values(item: Item) -> list[str]:
    return item.values if item.values is not None else [item.text]


def _is_empty(item: Item) -> bool:
    """Whether it is `param: []`, which takes a default away."""
    return item.values == []
