"""Going about in a text: to the layer that makes a blob, those that read it, other files; its outline and canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lsprotocol import types

from netdef.fmt.form import formatted
from netdef.language.inherit import BOTH
from netdef.lsp.cursor import Cursor, Wants
from netdef.lsp.document import Document, Units
from netdef.lsp.outline import Head, Read, Standing, Word, layers, linked, makers, statements, surrounding
from netdef.schema import TRAIN

Found = tuple[Document | Path, int, int]  # a document and two offsets in it; a path: the start of a file

_KINDS = {
    "layer": types.SymbolKind.Function,
    "defaults": types.SymbolKind.Constant,
    "include": types.SymbolKind.File,
    "net": types.SymbolKind.File,
    "remove": types.SymbolKind.Null,
    "bypass": types.SymbolKind.Null,
}


def definition(cursor: Cursor, document: Document, offset: int, read: Read) -> list[Found]:
    """What the word at the cursor stands for: of a blob, the layers that make it as it is read there, one for each phase;
    of a layer that replaces or removes another one, that one; of a file's name, the file."""
    if cursor.wants is Wants.FILE:
        path = linked(document, offset)
        return [(path, 0, 0)] if path is not None else []
    if cursor.wants is Wants.BOTTOM:
        order = layers(document, read)
        here, phases = _reader(order, document, offset)
        return [_found(one, one.head.name) for one in makers(_blob_read(cursor.word, order, document, offset), order, here, phases)]
    if cursor.wants in (Wants.LAYER, Wants.REMOVED, Wants.TOP):
        return _layers_called(cursor, document, offset, read)
    return []


def references(cursor: Cursor, document: Document, offset: int, read: Read, declaration: bool) -> list[Found]:
    """Where the blob at the cursor is read; with `declaration`, also where it is made."""
    if cursor.wants not in (Wants.BOTTOM, Wants.TOP, Wants.LAYER):
        return []
    order = layers(document, read)
    names = {_blob_read(cursor.word, order, document, offset)}
    if cursor.wants is Wants.LAYER:
        names = {top.text for one in order if one.head.name.text == cursor.word for top in one.head.tops}
    found: list[Found] = []
    for one in order:
        words = [*one.head.bottoms, *(one.head.tops if declaration else ())]
        found += [_found(one, word) for word in words if word.text in names]
    return list(dict.fromkeys(found))


def outline(document: Document, units: Units) -> Iterator[types.DocumentSymbol]:
    """The statements of a text that an editor lists."""
    for one in statements(document):
        head = one.head
        yield types.DocumentSymbol(
            name=head.name.text or head.type or "layer",
            kind=_KINDS[head.kind],
            range=document.range(one.at + head.start, one.at + head.end, units),
            selection_range=document.range(one.at + head.name.start, one.at + head.name.end, units),
            detail=_detail(head),
        )


def formatting(document: Document, units: Units) -> list[types.TextEdit]:
    """The one change that brings a text into its canonical form, as small as whole lines allow.

    Raises
    ------
    NetdefError: the text has mistakes.
    """
    old, new = _lines(document.text), _lines(formatted(document.text, document.name))
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    same = 0
    while same < min(len(old), len(new)) - start and old[-1 - same] == new[-1 - same]:
        same += 1
    if start == len(old) == len(new):
        return []
    first, last = sum(map(len, old[:start])), sum(map(len, old[: len(old) - same]))
    return [types.TextEdit(document.range(first, last, units), "".join(new[start : len(new) - same]))]


def _lines(text: str) -> list[str]:
    """A text's lines with their newlines, the last one without where the text lacks it."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _found(one: Standing, word: Word) -> Found:
    return one.document, one.at + word.start, one.at + word.end


def _reader(order: list[Standing], document: Document, offset: int) -> tuple[int, frozenset[int]]:
    """The number of the layer that an offset is in, and its phases; where it does not parse, the position where it would be."""
    for number, one in enumerate(order):
        if one.holds(document, offset):
            return number, one.head.phases
    above = [number for number, one in enumerate(order) if one.document is document and one.at + one.head.end <= offset]
    return (above[-1] + 1 if above else len(order)), BOTH


def _blob_read(word: str, order: list[Standing], document: Document, offset: int) -> str:
    """The blob that a layer reads for a word at an offset: where the word's maker is bypassed, what that reads."""
    reader = next((one for one in order if one.holds(document, offset)), None)
    words = reader.head.bottoms if reader is not None else ()
    return next((one.text for one in words if reader and reader.at + one.start <= offset <= reader.at + one.end), word)


def _layers_called(cursor: Cursor, document: Document, offset: int, read: Read) -> list[Found]:
    """The layers of an included file that a name stands for, or else the layer in which it stands."""
    around = surrounding(document, offset)
    if cursor.wants is Wants.TOP:
        return [_found(around, around.head.name)] if around is not None else []
    above = Document(document.text[: around.at + around.head.start] if around is not None else document.text, document.path)
    inherited = [one for one in layers(above, read) if one.head.name.text == cursor.word and one.document is not above]
    if cursor.wants is Wants.LAYER and around is not None:
        inherited = [one for one in inherited if one.head.phases & around.head.phases]
    if inherited:
        return [_found(one, one.head.name) for one in inherited]
    return [_found(around, around.head.name)] if around is not None and cursor.wants is Wants.LAYER else []


def _detail(head: Head) -> str | None:
    phase = {1: "train" if TRAIN in head.phases else "test"}.get(len(head.phases), "")
    return ", ".join(word for word in (head.type if head.kind == "layer" else head.kind, phase) if word) or None
