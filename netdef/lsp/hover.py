"""What an editor shows under the pointer: what `netdef explain` says of a word, or what the graph knows of a layer or blob."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from netdef.explain import explain
from netdef.explain.reference import Devices, fields
from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net
from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary, decimal, thousands
from netdef.layers import LAYERS
from netdef.lsp.cursor import Cursor, Wants
from netdef.lsp.outline import Standing

WIDTH = 84  # columns; the windows that editors show it in are narrow
Nets = Mapping[str, Net]  # by phase


def hover(cursor: Cursor, around: Standing | None, nets: Nets, devices: Devices | None) -> str | None:
    """The description of the word at the cursor, as plain text in columns; None if there is none.

    Parameters
    ----------
    around: the layer that the cursor is in. nets: the graphs, as far as they can be built.
    """
    if not cursor.word or cursor.is_keyword:
        return None
    if cursor.wants is Wants.TYPE:
        return explain(cursor.word, devices, WIDTH) if cursor.word in LAYERS else None
    if cursor.wants is Wants.FIELD:
        return _field(cursor, cursor.word)
    if cursor.wants is Wants.VALUE and cursor.field is not None:
        return _value(cursor)
    if cursor.wants is Wants.LAYER:
        return _by_phase({phase: _layer(_find(net, cursor.word, around)) for phase, net in nets.items()})
    if cursor.wants in (Wants.BOTTOM, Wants.TOP) and around is not None:
        name = around.head.name.text
        return _by_phase({phase: _blob(_find(net, name, around), cursor, around) for phase, net in nets.items()})
    return None


def _field(cursor: Cursor, name: str) -> str | None:
    """A field by the way that leads to it in the text, or else by its message."""
    for topic in (cursor.frame.topic, cursor.frame.message):
        try:
            return explain(f"{topic}.{name}", width=WIDTH)
        except NetdefError:
            continue
    return None


def _value(cursor: Cursor) -> str | None:
    """What a word of an enum means, and its field with all the others."""
    assert cursor.field is not None
    about = _field(cursor, cursor.field.name)
    if about is None or not cursor.field.names:
        return about
    message = next((known for known in _holders(cursor) if any(one.name == cursor.field.name for one in fields(known))), "")
    values = next((one.values for one in fields(message) if one.name == cursor.field.name), ()) if message else ()
    meaning = dict(values).get(cursor.word, "")
    return f"{cursor.word}: {meaning}\n\n{about}" if meaning else about


def _holders(cursor: Cursor) -> Iterable[str]:
    """The messages that may hold a field of the block that the cursor is in."""
    from netdef.explain.reference import layer_type

    return (
        layer_type(cursor.frame.type).messages if cursor.frame.in_line and cursor.frame.type in LAYERS else [cursor.frame.message]
    )


def _by_phase(texts: Mapping[str, str | None]) -> str | None:
    """The text of each phase under its name; without it where they agree."""
    found = {phase: text for phase, text in texts.items() if text}
    if len(set(found.values())) <= 1:
        return next(iter(found.values()), None)
    return "\n\n".join(f"{phase} phase\n{text}" for phase, text in found.items())


def _find(net: Net, name: str, around: Standing | None) -> Layer | None:
    """The layer that the text calls by a name; of several, the one whose name stands where the statement's does."""
    called = [layer for layer in net.layers if layer.message.name == name]
    if len(called) < 2 or around is None:
        return called[0] if called else None
    at = around.at + around.head.name.start
    here = around.document.source.position(at, at + 1)

    def distance(layer: Layer) -> tuple[int, int]:
        there = layer.where("name")
        return (abs(there.line - here.line), abs(there.column - here.column)) if there else (sys.maxsize, 0)

    return min(called, key=distance)


def _layer(layer: Layer | None) -> str | None:
    """A layer's shapes, parameters and costs."""
    if layer is None:
        return None
    rows = [("reads", _shaped(blob)) for blob in layer.bottoms]
    rows += [
        ("makes", f"{_shaped(blob)}, {'in place' if reused else binary(blob.bytes)}")
        for blob, reused in zip(layer.tops, layer.in_place, strict=True)
    ]
    if layer.parameters:
        shapes = " + ".join(shape_text(p.shape) for p in layer.parameters)
        owners = sorted({p.owner.layer.name for p in layer.parameters if p.shared})
        shared = f", of {', '.join(owners)}" if owners else ""
        rows.append(("learns", f"{shapes}: {thousands(sum(p.count for p in layer.parameters))} parameters{shared}"))
    if layer.macs:
        rows.append(("costs", f"{decimal(layer.macs)} MACs an image"))
    return "\n".join([f"layer {layer.name}: {layer.type}", *(f"  {what.ljust(6)}  {text}" for what, text in rows)])


def _blob(layer: Layer | None, cursor: Cursor, around: Standing) -> str | None:
    """A blob as a layer reads or makes it; where a layer is bypassed, what is read instead."""
    if layer is None:
        return None
    blobs = layer.bottoms if cursor.wants is Wants.BOTTOM else layer.tops
    blob = next((one for one in blobs if one.name == cursor.word), None)
    bypassed = False
    if blob is None and cursor.wants is Wants.BOTTOM:
        written = [word.text for word in around.head.bottoms]
        if cursor.word not in written or len(written) != len(blobs):
            return None
        blob, bypassed = blobs[written.index(cursor.word)], True
    if blob is None:
        return None
    readers = ", ".join(dict.fromkeys(f"{one.name} ({one.type})" for one in blob.consumers)) or "nothing"
    lines = [f"{cursor.word} is bypassed: {layer.name} reads {blob.name} instead"] if bypassed else []
    lines += [f"blob {_shaped(blob)}, {binary(blob.bytes)}", f"  made by  {blob.producer.name} ({blob.producer.type})"]
    return "\n".join([*lines, f"  read by  {readers}"])


def _shaped(blob: Blob) -> str:
    return f"{blob.name}  {shape_text(blob.shape)}"
