"""Positions of a message's fields in its text, in a tree of the message's shape."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[int, int]  # offsets of the first character and past the last
Path = Sequence[str | int]


class Origins:
    """The span of a message, and that of each field: a span, another Origins, or a list of these for a repeated field."""

    __slots__ = ("at", "fields")

    def __init__(self, at: Span, fields: dict[str, Entry | list[Entry]] | None = None) -> None:
        self.at = at
        self.fields: dict[str, Entry | list[Entry]] = {} if fields is None else fields

    def find(self, path: Path) -> Span:
        """The span of a field, or of the nearest message around it that has one."""
        node: Entry | list[Entry] = self
        best = self.at
        for key in path:
            if isinstance(key, str):
                if not isinstance(node, Origins) or key not in node.fields:
                    break
                node = node.fields[key]
            elif isinstance(node, list):
                if not 0 <= key < len(node):
                    break
                node = node[key]
            else:
                break
            nearest = node[:1] if isinstance(node, list) else [node]
            best = _span(nearest[0]) if nearest else best
        return best

    def copy(self) -> Origins:
        """A copy: fields can be added to it without changing this one."""
        return Origins(self.at, {k: v.copy() if isinstance(v, Origins) else v for k, v in self.fields.items()})


def _span(entry: Entry) -> Span:
    return entry.at if isinstance(entry, Origins) else entry


Entry = Span | Origins
