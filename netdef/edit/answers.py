"""What a cursor asks for, by the answers that editors get; offsets count as JavaScript's strings do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsprotocol import types

from netdef.explain.reference import Devices
from netdef.fmt.form import formatted
from netdef.graph.net import Net
from netdef.language.contents import text_of_file
from netdef.language.diagnostics import NetdefError
from netdef.lsp.completion import complete
from netdef.lsp.cursor import cursor_at
from netdef.lsp.document import Document, utf16
from netdef.lsp.hover import hover as hover_text
from netdef.lsp.outline import surrounding


def hover(document: Document, at: tuple[int, int], nets: Mapping[str, Net], devices: Devices | None) -> dict[str, Any] | None:
    """What is known of the word at a line and a column, and where the word is; None if nothing is."""
    offset = document.offset(types.Position(*at), utf16)
    found = cursor_at(document, offset, True)
    if found is None:
        return None
    text = hover_text(found, surrounding(document, offset), nets, devices)
    return {"text": text, **_span(document, found.start, found.end)} if text else None


def completions(document: Document, at: tuple[int, int], nets: Mapping[str, Net]) -> dict[str, Any]:
    """What could be written at a line and a column, likeliest first."""
    offset = document.offset(types.Position(*at), utf16)
    found = cursor_at(document, offset)
    if found is None:
        return {"items": [], "more": False}
    listed = complete(found, document, offset, _read, nets, utf16)
    return {"items": [_item(item) for item in listed.items], "more": listed.is_incomplete}


def document(text: str, path: Path) -> Document:
    """The text of a file as it stands in the editor."""
    return Document(text, path, str(path))


def canonical(text: str, name: str) -> str:
    """The text as `netdef fmt` writes it. Raises NetdefError: it has errors."""
    return formatted(text, name)


def _item(item: types.CompletionItem) -> dict[str, Any]:
    edit = item.text_edit
    assert isinstance(edit, types.TextEdit)
    about = item.documentation
    kind = types.CompletionItemKind(item.kind).name.lower() if item.kind is not None else ""
    start, end = edit.range.start, edit.range.end
    return {
        "label": item.label,
        "detail": item.detail or "",
        "about": about.value if isinstance(about, types.MarkupContent) else "",
        "kind": kind,
        "insert": edit.new_text,
        "from": [start.line, start.character],
        "to": [end.line, end.character],
    }


def _span(document: Document, start: int, end: int) -> dict[str, Any]:
    where = document.range(start, end, utf16)
    return {"from": [where.start.line, where.start.character], "to": [where.end.line, where.end.character]}


def _read(path: Path) -> Document | None:
    """An included file."""
    try:
        return Document(text_of_file(path, path.name), path, str(path))
    except NetdefError:
        return None
