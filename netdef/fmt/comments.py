"""Which statement each comment describes."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from netdef.fmt.items import Item

# A string is skipped whole, so that a # in it is no comment.
_PIECE = re.compile(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(#[^\n]*)""")


@dataclass(frozen=True)
class Comment:
    """A comment, and whether its line has anything before it."""

    text: str
    start: int
    trailing: bool


def comments_of(text: str) -> list[Comment]:
    """All comments of a text, in order."""
    found = []
    for match in _PIECE.finditer(text):
        if match[2] is not None:
            line = text.rfind("\n", 0, match.start()) + 1
            found.append(Comment(match[2].rstrip(), match.start(), bool(text[line : match.start()].strip())))
    return found


def attach(text: str, items: list[Item]) -> list[str]:
    """Give every comment to the item that it describes, and note blank lines. Returns the comments behind the last item.

    A comment on a line of its own describes what follows it; one behind something describes that.
    """
    root = Item(body=items, end=len(text) + 1)
    for comment in comments_of(text):
        _place(comment, root, text)
    _blanks(text, root)
    return root.inside


def _place(comment: Comment, root: Item, text: str) -> None:
    holder = root
    while True:
        body = holder.body or []
        index = bisect_right(body, comment.start, key=lambda item: item.start) - 1
        item = body[index] if index >= 0 else None
        if item is not None and comment.start < item.end:
            if item.body is not None and comment.start >= item.open:
                holder = item
                continue
            item.above.append(comment.text)  # within a head or a list
            return
        if comment.trailing:
            if item is not None and "\n" not in text[item.end : comment.start]:
                item.beside = f"{item.beside}  {comment.text}" if item.beside else comment.text
                return
            if item is None and holder is not root and "\n" not in text[holder.open : comment.start]:
                holder.opened = comment.text
                return
        following = body[index + 1] if index + 1 < len(body) else None
        (following.above if following is not None else holder.inside).append(comment.text)
        return


def _blanks(text: str, root: Item) -> None:
    """Put an empty line between comments and items where the text has one; two are one, and none is first or last."""
    waiting = [root]
    while waiting:
        holder = waiting.pop()
        body = holder.body or []
        waiting += [item for item in body if item.body is not None]
        last = holder.open
        for index, item in enumerate(body):
            item.above = _spaced(item.above, _gap(text, last, item.start), index == 0)
            last = item.end
        holder.inside = _spaced(holder.inside, _gap(text, last, holder.end - 1), not body)
        while holder.inside[-1:] == [""]:
            holder.inside.pop()


def _gap(text: str, start: int, end: int) -> list[str]:
    """The whole lines between two offsets."""
    lines = text[start : max(start, end)].split("\n")
    return [line.strip() for line in (lines[:-1] if start == 0 else lines[1:-1])]


def _spaced(above: list[str], gap: list[str], first: bool) -> list[str]:
    """Comments with the empty lines of the gap in which they stand."""
    comments = iter(above)
    result: list[str] = []
    for line in gap:
        if line.startswith("#"):
            result += [comment for comment in [next(comments, None)] if comment is not None]
        elif not line and result[-1:] != [""] and (result or not first):
            result.append("")
    return [*result, *comments]
