"""A network in Caffe's own form: layers field by field, nothing said by defaults, other files or older formats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netdef.fmt.items import Item
from netdef.language.bind import Bound
from netdef.language.origins import Origins
from netdef.language.printer import print_value
from netdef.language.scalars import nearest_float32

FIRST = ("name", "type", "bottom", "top", "include", "exclude")  # fields of a layer that come before its settings


def expanded(bound: Bound, written: list[Item]) -> tuple[list[Item], list[str]]:
    """The items of a message, with the comments of the `written` ones that they come from.

    A comment about something that is no longer there goes to what follows; those that nothing follows are returned as well.
    """
    texts = {item.key: item for item in _all(written) if item.key is not None}
    maker = _Maker(texts)
    made = maker.fields(bound.message, bound.origins)
    for item in _own(written):
        if item.key is None or item.key not in maker.made:
            continue
        new = maker.made[item.key]
        new.beside, new.opened, new.inside = item.beside, item.opened, list(item.inside)
    return made, _above(written, maker.made)


def _all(items: Iterable[Item]) -> Iterable[Item]:
    for item in items:
        yield item
        yield from _all(item.body or ())


def _own(items: Iterable[Item]) -> Iterable[Item]:
    """All items but those inside defaults, which come to stand in many places."""
    for item in items:
        yield item
        if item.head is None or item.head.word != "defaults":
            yield from _own(item.body or ())


class _Maker:
    """Makes items of messages. `made`: by the key of the written item that each comes from."""

    def __init__(self, texts: dict[Any, Item]):
        self.texts = texts
        self.made: dict[Any, Item] = {}

    def fields(self, message: Any, origins: Origins | None) -> list[Item]:
        """The fields of a message, in the order in which they are written; those that nobody wrote at the end."""
        present = {field.name: (field, value) for field, value in message.ListFields()}
        order = list(dict.fromkeys([*(origins.fields if origins else ()), *present]))
        if message.DESCRIPTOR.name == "LayerParameter":
            order.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
        elif message.DESCRIPTOR.name == "NetParameter":
            order.sort(key=lambda name: name == "layer")
        result: list[Item] = []
        for name in order:
            if name in present:
                field, value = present[name]
                result += self.values(field, value, origins.fields.get(name) if origins else None)
        return result

    def values(self, field: Any, value: Any, entry: Any) -> list[Item]:
        single = hasattr(value, "DESCRIPTOR") or isinstance(value, (str, bytes)) or not hasattr(value, "__len__")
        values = [value] if single else list(value)
        entries = entry if isinstance(entry, list) and len(entry) == len(values) else [entry] * len(values)
        return [self.value(field, one, place) for one, place in zip(values, entries, strict=True)]

    def value(self, field: Any, value: Any, entry: Any) -> Item:
        if field.message_type is not None:
            origins = entry if isinstance(entry, Origins) else None
            item = Item(field.name, body=self.fields(value, origins))
            self.keep(("message", origins.at[0]) if origins else None, item)
            return item
        key = ("scalar", entry[1]) if isinstance(entry, tuple) else None
        written = self.texts.get(key)
        same = written is not None and written.name == field.name and _is_number(written.text, field, value)
        item = Item(field.name, written.text if written is not None and same else print_value(field, value))
        self.keep(key, item)
        return item

    def keep(self, key: Any, item: Item) -> None:
        if key in self.texts:
            self.made.setdefault(key, item)


def _is_number(text: str, field: Any, value: Any) -> bool:
    """Whether a number as it is written is the value of a field."""
    if isinstance(value, (bool, str, bytes)) or field.enum_type is not None:
        return False
    try:
        return nearest_float32(float(text.rstrip("fF"))) == nearest_float32(value)
    except ValueError:
        return False


def _above(written: list[Item], kept: dict[Any, Item]) -> list[str]:
    """Move the lines above the written items to what is made of them, or else to what follows that; returns the rest."""
    waiting: list[str] = []
    for item in _own(written):
        new = kept.get(item.key) if item.key is not None else None
        if new is None:
            whole = item.body is None or (item.head is not None and item.head.word == "defaults")
            lines = item.comments() if whole else [item.opened]
            waiting += [*item.above[:1], *lines] if item.above[:1] == [""] and waiting[-1:] != [""] else lines
            waiting = [line for index, line in enumerate(waiting) if line or index == 0 or waiting[index - 1]]
            continue
        new.above = [*waiting, *(item.above[1:] if waiting[-1:] == [""] and item.above[:1] == [""] else item.above)]
        waiting = []
    return [line for line in waiting if line]
