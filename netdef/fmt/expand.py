"""A network in Caffe's own form: layers field by field, nothing said by defaults, other files or older formats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netdef.fmt.items import Item, items_of
from netdef.language.bound import Bound
from netdef.language.kept import KEPT, at, keeps
from netdef.language.parser import parse
from netdef.language.printer import print_value
from netdef.language.scalars import nearest_float32
from netdef.schema import is_repeated
from netdef.schema.origins import Origins

FIRST = ("name", "type", "bottom", "top", "include", "exclude")  # fields of a layer that come before its settings


def expanded(bound: Bound, written: list[Item]) -> tuple[list[Item], list[str]]:
    """The items of a message, with the comments of the `written` ones that they come from.

    A comment about something that is no longer there goes to what follows, or if it is in an included file, is left out;
    those that nothing follows are returned as well.
    """
    maker = _Maker({item.key: item for item in _all(written) if item.key is not None})
    made = maker.fields(bound.message, bound.origins)
    own = len(bound.source.text) if bound.source is not None else 0
    return made, _Comments(maker.made, own).of(written)


def _all(items: Iterable[Item]) -> Iterable[Item]:
    for item in items:
        yield item
        yield from _all(item.body or ())


class _Maker:
    """Makes items of messages. `made`: by the key of the written item that each comes from."""

    def __init__(self, texts: dict[Any, Item]):
        self.texts = texts
        self.made: dict[Any, Item] = {}

    def fields(self, message: Any, origins: Origins | None, path: str = "", keeper: Any = None) -> list[Item]:
        """The fields of a message in the order of their numbers, as Caffe's own files have them; then those that are unknown.

        Those of a whole file stand as they are written, those that are not written at the end. `path`: of the message inside
        `keeper`, the message around it that keeps what is unknown.
        """
        present = {field.name: (field, value) for field, value in message.ListFields()}
        order = list(present)
        if message.DESCRIPTOR.name == "LayerParameter":
            order.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
        elif message.DESCRIPTOR.name in ("NetParameter", "SolverParameter"):
            order = list(dict.fromkeys([*(origins.fields if origins else ()), *present]))
            order.sort(key=lambda name: name == "layer")
        if keeps(message):
            path, keeper = "", message
        result: list[Item] = []
        for name in order:
            if name in present and name != KEPT:
                field, value = present[name]
                result += self.values(field, value, origins.fields.get(name) if origins else None, path, keeper)
        return result + [item for one in at(keeper, path) for item in _kept(one)]

    def values(self, field: Any, value: Any, entry: Any, path: str, keeper: Any) -> list[Item]:
        single = hasattr(value, "DESCRIPTOR") or isinstance(value, (str, bytes)) or not hasattr(value, "__len__")
        values = [value] if single else list(value)
        entries = entry if isinstance(entry, list) and len(entry) == len(values) else [entry] * len(values)
        before = f"{path}.{field.name}" if path else field.name
        paths = [before if not is_repeated(field) else f"{before}[{index}]" for index in range(len(values))]
        return [self.value(field, one, origin, inner, keeper) for one, origin, inner in zip(values, entries, paths, strict=True)]

    def value(self, field: Any, value: Any, entry: Any, path: str, keeper: Any) -> Item:
        if field.message_type is not None:
            origins = entry if isinstance(entry, Origins) else None
            item = Item(field.name, body=self.fields(value, origins, path, keeper))
            self.keep(("message", origins.at[0]) if origins else _end(entry), item)
            return item
        key = _end(entry)
        written = self.texts.get(key)
        same = written is not None and written.name == field.name and _is_number(written.text, field, value)
        item = Item(field.name, written.text if written is not None and same else print_value(field, value))
        self.keep(key, item)
        return item

    def keep(self, key: Any, item: Item) -> None:
        if key in self.texts:
            self.made.setdefault(key, item)


def _kept(one: Any) -> list[Item]:
    """The items of what is kept as text, or of fields of a binary file as they are kept."""
    if one.text:
        return items_of(parse(one.text, one.name).statements)
    return [Item(KEPT, body=[Item(field.name, print_value(field, value)) for field, value in one.ListFields()])]


def _end(entry: Any) -> Any:
    """The key of a value by its entry; None if it is not written."""
    return ("scalar", entry[1]) if isinstance(entry, tuple) else None


def _is_number(text: str, field: Any, value: Any) -> bool:
    """Whether a number as it is written is the value of a field."""
    if isinstance(value, (bool, str, bytes)) or field.enum_type is not None:
        return False
    try:
        return nearest_float32(float(text.rstrip("fF"))) == nearest_float32(value)
    except ValueError:
        return False


class _Comments:
    """Brings the comments of written items to what is made of them. `own`: where the file ends and those that it includes begin."""

    def __init__(self, kept: dict[Any, Item], own: int):
        self.kept = kept
        self.own = own
        self.waiting: list[str] = []

    def of(self, written: list[Item]) -> list[str]:
        """Move all comments; returns those that nothing follows."""
        self.walk(written)
        return [line for line in self.waiting if line]

    def walk(self, written: Iterable[Item]) -> None:
        for item in written:
            new = self.kept.get(item.key) if item.key is not None else None
            if new is not None:
                new.above = [*self.waiting, *item.above]
                new.beside, new.opened, new.inside = item.beside, item.opened, list(item.inside)
                self.waiting = []
                self.walk(item.body or ())
            elif item.key is None or item.start <= self.own:
                self.waiting += [*item.above, item.opened] if item.opened else item.above
                if item.head is not None and item.head.word == "defaults":  # what is inside is repeated in many layers
                    self.waiting += [line for inner in item.body or () for line in inner.comments()]
                else:
                    self.walk(item.body or ())
                self.waiting += [line for line in (*item.inside, item.beside) if line]
