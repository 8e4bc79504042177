"""Finding `defaults`: settings that the layers of one type share, written once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from netdef.fmt.items import Head, Item
from netdef.language.vocabulary import FieldInfo, fields, layer_vocabulary

FEWEST = 2  # layers of a type
WORTHWHILE = 20  # letters that defaults must save
APART = ("include", "exclude", "num_output")  # what stays with its layer


@dataclass
class _Shared:
    """A setting that becomes a default: its value, or for a block what is in it."""

    item: Item
    inner: list[_Shared] = field(default_factory=list)
    whole: bool = True  # the item as it is; otherwise a block of `inner`


def factored(items: list[Item]) -> list[Item]:
    """The items with defaults before the first layer, and the layers without what these say.

    A setting is taken out if all layers of the type have it and it is the same in all; of fillers and rates, if it is the same
    in most. Layers that have another value keep theirs. What distinguishes one layer from the next, num_output, stays.
    """
    layers: dict[str, list[Item]] = {}
    for item in items:
        if item.head is not None and item.head.word == "layer":
            layers.setdefault(item.head.type, []).append(item)
        elif item.head is not None or item.name == "layer" or not item.name:
            return items  # defaults are there already; or a layer that has to stay as it is, or other files
    made = []
    for kind, group in layers.items():
        if len(group) >= FEWEST and all(item.body and item.head and item.head.bottoms for item in group):
            shared = _shared([item.body or [] for item in group], layer_vocabulary(kind))
            if _saved(shared, group) >= WORTHWHILE:
                for item in group:
                    item.body = _without(item, shared) or None
                    if item.body is None:
                        item.above += [line for line in (item.opened, *item.inside) if line]
                        item.opened, item.inside = "", []
                made.append(Item(head=Head("defaults", kind), body=[_item(one) for one in shared]))
    if not made:
        return items
    first = next(index for index, item in enumerate(items) if item.head is not None)
    if first:
        made[0].above = [""]
    items[first].above = items[first].above if items[first].above[:1] == [""] else ["", *items[first].above]
    return [*items[:first], *made, *items[first:]]


def _shared(bodies: list[list[Item]], known: dict[str, tuple[str, FieldInfo]], inside: bool = False) -> list[_Shared]:
    """What becomes a default, in the order in which the first layer has it."""
    result = []
    by_name = [_by_name(body) for body in bodies]
    for name in by_name[0]:
        found = [named.get(name) for named in by_name]
        if name not in known or any(one is None for one in found) or name in APART:
            continue
        info = known[name][1]
        groups = [group for group in found if group is not None]
        result += _of_field(info, groups, inside)
    return result


def _of_field(info: FieldInfo, groups: list[list[Item]], inside: bool) -> list[_Shared]:
    """The default of one field, from what each layer says about it; none if no two say the same."""
    if info.kind == "message" and not info.repeated:
        blocks = [group[0] for group in groups]
        if any(block.body is None for block in blocks):
            return []
        known = {name: ("", inner) for name, inner in fields(info.message).items()}
        inner = _shared([block.body or [] for block in blocks], known, inside=True)
        return [_Shared(blocks[0], inner, whole=False)] if inner else []
    texts = Counter(_text(group) for group in groups)
    text, count = texts.most_common(1)[0]
    if count < len(groups) and (2 * count <= len(groups) or not (inside or (info.repeated and info.kind == "message"))):
        return []
    chosen = next(group for group in groups if _text(group) == text)
    return [_Shared(item) for item in chosen]


def _by_name(body: list[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in body:
        found.setdefault(item.name, []).append(item)
    return found


def _text(group: list[Item]) -> str:
    """What a layer says about a field, without comments."""
    return " ".join(_flat(item) for item in group)


def _flat(item: Item) -> str:
    if item.body is None:
        return item.line()
    return " ".join([item.line(), "{", *map(_flat, item.body), "}"])


def _item(one: _Shared) -> Item:
    item = one.item
    if not one.whole:
        return Item(item.name, body=[_item(inner) for inner in one.inner])
    body = [_plain(inner) for inner in item.body] if item.body is not None else None
    return Item(item.name, item.text, item.values, body)


def _plain(item: Item) -> Item:
    """The item without comments."""
    body = [_plain(inner) for inner in item.body] if item.body is not None else None
    return Item(item.name, item.text, item.values, body)


def _without(item: Item, shared: list[_Shared]) -> list[Item]:
    """A body without what the defaults say; comments about what goes stay before what follows."""
    said = _by_name([_item(one) for one in shared])
    blocks = {one.item.name: one for one in shared if not one.whole}
    mine = _by_name(item.body or [])
    result: list[Item] = []
    waiting: list[str] = []
    for inner in item.body or []:
        if inner.name in blocks:
            inner.body = _without(inner, blocks[inner.name].inner)
            goes = not inner.body
        else:
            goes = inner.name in said and _text(mine[inner.name]) == _text(said[inner.name])
        if goes:
            waiting += inner.comments()
        else:
            inner.above = [*waiting, *inner.above]
            waiting = []
            result.append(inner)
    item.inside = [*waiting, *item.inside]
    return result


def _saved(shared: list[_Shared], group: list[Item]) -> int:
    """The letters that the defaults save, in all layers and less what they take themselves."""
    if not shared:
        return 0
    said = _by_name([_item(one) for one in shared])
    cost = sum(len(_flat(one)) + 1 for ones in said.values() for one in ones) + len("defaults X { }\n")
    gain = 0
    for item in group:
        mine = _by_name(item.body or [])
        for name, ones in said.items():
            whole, theirs = _text(ones), _text(mine[name])
            gain += len(whole) if whole == theirs else _common(ones, mine[name])
    return gain - cost


def _common(said: list[Item], mine: list[Item]) -> int:
    """Letters of a block that the defaults say already."""
    if len(said) != 1 or said[0].body is None or len(mine) != 1 or mine[0].body is None:
        return 0
    theirs = _by_name(mine[0].body)
    return sum(len(_flat(inner)) for inner in said[0].body if _text(theirs.get(inner.name, [])) == _flat(inner))
