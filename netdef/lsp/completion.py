"""What could be written at the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lsprotocol import types

from netdef.explain import reference
from netdef.explain.search import STATEMENTS
from netdef.graph.net import Net
from netdef.graph.shape import shape_text
from netdef.language.find import model_names
from netdef.language.vocabulary import HEAD
from netdef.layers import LAYERS
from netdef.lsp.cursor import Cursor, Wants
from netdef.lsp.document import Document, Units
from netdef.lsp.outline import Read, layers, surrounding
from netdef.schema import LAYER_TYPES
from netdef.schema.filler_types import FILLERS
from netdef.solver_file import POLICIES, REGULARIZATIONS, TYPES

MOST = 200  # names of blobs or layers offered at once; while the word grows, others come
_LISTED: dict[tuple[str, str], Iterable[str]] = {  # words in quotes, by message and field
    ("FillerParameter", "type"): FILLERS,
    ("SolverParameter", "type"): TYPES,
    ("SolverParameter", "lr_policy"): POLICIES,
    ("SolverParameter", "regularization_type"): REGULARIZATIONS,
}
_UNWRITTEN = ("phase", "blobs", "kept")  # fields of a layer that no file has to set
_FORMER = ("Superseded", "Converted")  # how the schema's comments mark older formats
_TEXTS = (".net", ".prototxt")
_KIND = types.CompletionItemKind


def complete(
    cursor: Cursor, document: Document, offset: int, read: Read, nets: Mapping[str, Net], units: Units
) -> types.CompletionList:
    """What fits at the cursor, likeliest first. `nets` are the graphs in each phase, as far as they can be built."""
    more = False
    if cursor.wants is Wants.FIELD:
        items = list(_fields(cursor))
    elif cursor.wants is Wants.VALUE:
        items = list(_values(cursor))
    elif cursor.wants is Wants.TYPE:
        items = [_item(name, _KIND.Class, reference.layer_type(name).line) for name in sorted(LAYERS, key=str.lower)]
    elif cursor.wants is Wants.BOTTOM:
        items, more = _cut(_blobs(cursor, document, offset, read, nets), cursor)
    elif cursor.wants is Wants.TOP:
        items = [_item(name, _KIND.Variable, "in cursor") for name in _own_bottoms(cursor, document, offset)]
    elif cursor.wants is Wants.REMOVED:
        inherited = (one for one in layers(document, read) if one.document is not document)
        items, more = _cut((_item(one.head.name.text, _KIND.Function, one.head.type) for one in inherited), cursor)
    elif cursor.wants is Wants.FILE:
        items = [_item(name, _KIND.File, about) for name, about in _files(document).items()]
    else:
        items = []
    _settle(items, cursor, document, offset, units)
    return types.CompletionList(is_incomplete=more, items=items)


def _item(label: str, kind: types.CompletionItemKind, detail: str = "", about: str = "", insert: str = "") -> types.CompletionItem:
    documentation = types.MarkupContent(types.MarkupKind.PlainText, about) if about else None
    return types.CompletionItem(label, kind=kind, detail=detail or None, documentation=documentation, insert_text=insert or label)


def _settle(items: list[types.CompletionItem], cursor: Cursor, document: Document, offset: int, units: Units) -> None:
    """Say for each item what it replaces, in this order, in quotes where it needs some."""
    after = cursor.word[len(cursor.typed) :]
    end = offset if cursor.quoted and re.search(r"[\s:]", after) else cursor.end
    where = document.range(cursor.start, end, units)
    text_field = cursor.field is not None and cursor.field.kind == "string"
    quote = '"' if not cursor.quoted and (text_field or cursor.wants is Wants.FILE) else ""
    space = " " if cursor.wants is not Wants.FIELD and document.text[cursor.start - 1 : cursor.start] == ":" else ""
    for number, item in enumerate(items):
        text = item.insert_text or item.label
        if cursor.wants is Wants.FIELD and cursor.followed_by == ":":
            text = text.removesuffix(": ")
        item.text_edit = types.TextEdit(where, f"{space}{quote}{text}{quote}")
        item.filter_text = item.label
        item.sort_text = f"{number:05}"
        item.insert_text = None


def _cut(items: Iterable[types.CompletionItem], cursor: Cursor) -> tuple[list[types.CompletionItem], bool]:
    """At most MOST of many, those that hold what has been typed; and whether there are others."""
    every = list(items)
    if len(every) <= MOST:
        return every, False
    return [item for item in every if cursor.typed.lower() in item.label.lower()][:MOST], True


def _fields(cursor: Cursor) -> Iterable[types.CompletionItem]:
    """The fields that the block at the cursor takes and does not have yet; in a net, the other statements first."""
    if cursor.frame.message == "NetParameter":
        for word, about in STATEMENTS.items():
            yield _item(word, _KIND.Keyword, about)
    for one in _known(cursor):
        several = one.kind.endswith("several") or one.kind in ("integers", "numbers", "texts", "words")
        if one.name in cursor.frame.given and one.name != cursor.word and not several:
            continue
        if not one.about.startswith(_FORMER) and not any(f". {former} " in one.about for former in _FORMER):
            detail = f"{one.kind}, {one.default} by default" if one.default else one.kind
            insert = one.name if one.fields_of else f"{one.name}: "
            yield _item(one.name, _KIND.Struct if one.fields_of else _KIND.Field, detail, one.about, insert)


def _known(cursor: Cursor) -> list[reference.Field]:
    """All fields of the block at the cursor; of a layer, those that go with its type."""
    frame = cursor.frame
    if frame.in_line:
        own = reference.own_fields(frame.type) if frame.type in LAYERS else []
        return [*own, *(one for one in reference.common_fields() if one.name not in (*HEAD, *_UNWRITTEN))]
    if not frame.message:
        return []
    found = reference.fields_in(frame.topic, frame.message)
    if frame.message != "LayerParameter":
        return found
    settings = {name for names in LAYER_TYPES.values() for name in names}
    fitting = LAYER_TYPES.get(frame.type, tuple(settings))
    found = [one for one in found if one.name not in _UNWRITTEN and (one.name not in settings or one.name in fitting)]
    return sorted(found, key=lambda one: (one.name not in HEAD, one.name not in fitting))


def _values(cursor: Cursor) -> Iterable[types.CompletionItem]:
    """The words that a field takes."""
    info = cursor.field
    if info is None:
        return
    default = next((one.default for one in _known(cursor) if one.name == info.name), "")
    if info.kind == "enum":
        meanings = next((dict(one.values) for one in _known(cursor) if one.name == info.name), {})
        for name in info.names or ():
            yield _item(name, _KIND.EnumMember, "by default" if name == default else "", meanings.get(name, ""))
    elif info.kind == "bool":
        for name in ("true", "false"):
            yield _item(name, _KIND.Keyword, "by default" if name == default else "")
    else:
        for name in _LISTED.get((cursor.frame.message, info.name), ()):
            yield _item(name, _KIND.EnumMember, "by default" if name == default else "")


def _blobs(cursor: Cursor, document: Document, offset: int, read: Read, nets: Mapping[str, Net]) -> Iterable[types.CompletionItem]:
    """What the layers above an offset make, the nearest first; those below are offered last."""
    order = layers(document, read)
    here = next((i for i, one in enumerate(order) if one.document is document and one.at + one.head.end >= offset), len(order))
    shapes: dict[str, Any] = {name: blob.shape for net in nets.values() for name, blob in net.blobs.items()}
    seen: set[str] = set()
    start = document.piece(offset)[0] + cursor.frame.since[0].start if cursor.frame.since else offset
    for one in [*reversed(order[:here]), *order[here:]]:
        if one.holds(document, offset) or one.holds(document, start):
            continue  # the layer itself, which may parse only in part
        for top in reversed(one.head.tops):
            if top.text and top.text not in seen:
                seen.add(top.text)
                shape = f"  {shape_text(shapes[top.text])}" if top.text in shapes else ""
                yield _item(top.text, _KIND.Variable, f"{one.head.type} {one.head.name.text}{shape}")


def _own_bottoms(cursor: Cursor, document: Document, offset: int) -> list[str]:
    """What the layer at the cursor reads: naming it as a top works in cursor."""
    since = cursor.frame.since
    if since and since[0].type != "NAME" and len(since) > 3:
        arrow = next(i for i, token in enumerate(since) if token.type == "ARROW")
        head = since[1:arrow] if since[0].type != "LAYER" else since[:arrow]
        return [token.text.strip("\"'") for token in head[4:] if token.type not in ("COMMA", "RPAR")]
    around = surrounding(document, offset)
    return [word.text for word in around.head.bottoms] if around is not None else []


def _files(document: Document) -> dict[str, str]:
    """Nets that can be named: beside the file, and those that come with netdef."""
    try:
        beside = sorted(path.name for path in document.folder.iterdir() if path.suffix in _TEXTS and path != document.path)
    except OSError:
        beside = []
    return {**{f"{name}.net": "comes with netdef" for name in model_names()}, **dict.fromkeys(beside, "beside this file")}
