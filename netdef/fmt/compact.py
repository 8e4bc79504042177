"""A layer in Caffe's form, field by field, as one line."""

from __future__ import annotations

from netdef.fmt.items import Head, Item
from netdef.language.vocabulary import HEAD, layer_vocabulary
from netdef.schema import LAYER_TYPES, NO_TOPS


def compacted(item: Item) -> Item:
    """The layer as one line, its comments kept; the item as it is where the short form could not say the same."""
    if item.name != "layer" or item.head is not None or item.body is None:
        return item
    found = _head(item.body)
    if found is None:
        return item
    head, body = found
    settings = _settings(head.type, body)
    if settings is None:
        return item
    made = Item(head=head, body=settings or None, above=item.above, beside=item.beside, opened=item.opened, inside=item.inside)
    made.start, made.end, made.open = item.start, item.end, item.open
    said = [comment for inner in item.body if inner not in body for comment in inner.comments()]
    made.above = [*made.above, *said]
    if made.body is None:
        made.above += [line for line in (made.opened, *made.inside) if line]
        made.opened, made.inside = "", []
    return made


def closed_up(items: list[Item]) -> list[Item]:
    """Layers without the empty line between each and the next, where all have one; above a comment it stays."""
    layers = [item for item in items if item.name == "layer" or (item.head is not None and item.head.word == "layer")]
    if len(layers) > 2 and all(layer.above[:1] == [""] for layer in layers[1:]):
        for layer in layers[1:]:
            if layer.above == [""]:
                layer.above = []
    return items


def _head(body: list[Item]) -> tuple[Head, list[Item]] | None:
    """Name, type, bottoms, tops and phase of a layer, and what else it says; None where a head cannot say it."""
    given: dict[str, list[str]] = {name: [] for name in HEAD}
    rest = []
    for item in body:
        if item.name in given and item.body is None:
            values = [_string(text) for text in (item.values if item.values is not None else [item.text])]
            if any(value is None for value in values):
                return None
            given[item.name] += [value for value in values if value is not None]
        else:
            rest.append(item)
    names, types = given["name"], given["type"]
    if len(names) != 1 or len(types) != 1 or not all([*names, *types, *given["bottom"], *given["top"]]):
        return None
    if types[0] not in LAYER_TYPES or (not given["top"]) != (types[0] in NO_TOPS):
        return None
    rules = [item for item in rest if item.name == "include"]
    phase = _phase(rules[0]) if len(rules) == 1 and not any(item.name == "exclude" for item in rest) else ""
    if phase:
        rest = [item for item in rest if item is not rules[0]]
    return Head("layer", types[0], names[0], phase, given["bottom"], given["top"]), rest


def _phase(rule: Item) -> str:
    """The word for a rule that asks for one phase only."""
    body = rule.body or []
    if len(body) == 1 and body[0].name == "phase":
        return {"TRAIN": "train", "TEST": "test", "0": "train", "1": "test"}.get(body[0].text, "")
    return ""


def _string(text: str) -> str | None:
    """What a string in quotes says; None if it is none, or takes more than its letters to say it."""
    plain = len(text) > 2 and text[0] == text[-1] == '"' and "\\" not in text and '"' not in text[1:-1]
    return text[1:-1] if plain else None


def _settings(kind: str, body: list[Item]) -> list[Item] | None:
    """The settings as they stand bare, the type's own first; None where one would come to mean another field."""
    known = layer_vocabulary(kind)
    own: list[Item] = []
    common: list[Item] = []
    for item in body:
        if item.name not in known:  # the short form takes fields of a type that is known
            return None
        holder = known[item.name][0]
        if holder:
            return None  # a setting of the type's own hides the common field
        if (
            item.name in LAYER_TYPES[kind]
            and item.body
            and all(known.get(inner.name, ("?",))[0] == item.name for inner in item.body)
        ):
            own += _bare(item)
        else:
            (own if item.name in LAYER_TYPES[kind] else common).append(item)
    return own + common


def _bare(item: Item) -> list[Item]:
    """The inside of `convolution_param { }`; comments about the whole go to the first of its settings."""
    inner = list(item.body or [])
    first = inner[0]
    first.above = [*item.above, *([item.opened] if item.opened else []), *first.above]
    last = [*item.inside, *([item.beside] if item.beside else [])]
    if last:
        inner[-1].above = [*inner[-1].above, *last]
    return inner
