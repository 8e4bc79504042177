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
from netdef.lsp.outline import Standing
from netdef.lsp.place import Place, Wants

WIDTH = 84  # columns; the windows that editors show it in are narrow
Nets = Mapping[str, Net]  # by phase


def hover(place: Place, around: Standing | None, nets: Nets, devices: Devices | None) -> str | None:
    """What there is to say about the word at a place, as plain text laid out in columns; None if nothing.

    Parameters
    ----------
    around: the layer that the place is in. nets: the graphs, as far as they can be built.
    """
    if not place.word or place.is_keyword:
        return None
    if place.wants is Wants.TYPE:
        return explain(place.word, devices, WIDTH) if place.word in LAYERS else None
    if place.wants is Wants.FIELD:
        return _field(place, place.word)
    if place.wants is Wants.VALUE and place.field is not None:
        return _value(place)
    if place.wants is Wants.LAYER:
        return _by_phase({phase: _layer(_find(net, place.word, around)) for phase, net in nets.items()})
    if place.wants in (Wants.BOTTOM, Wants.TOP) and around is not None:
        name = around.head.name.text
        return _by_phase({phase: _blob(_find(net, name, around), place) for phase, net in nets.items()})
    return None


def _field(place: Place, name: str) -> str | None:
    """A field by the way that leads to it in the text, or else by its message."""
    for topic in (place.frame.topic, place.frame.message):
        try:
            return explain(f"{topic}.{name}", width=WIDTH)
        except NetdefError:
            continue
    return None


def _value(place: Place) -> str | None:
    """What a word of an enum means, and its field with all the others."""
    assert place.field is not None
    about = _field(place, place.field.name)
    if about is None or not place.field.names:
        return about
    message = next((known for known in _holders(place) if any(one.name == place.field.name for one in fields(known))), "")
    values = next((one.values for one in fields(message) if one.name == place.field.name), ()) if message else ()
    meaning = dict(values).get(place.word, "")
    return f"{place.word}: {meaning}\n\n{about}" if meaning else about


def _holders(place: Place) -> Iterable[str]:
    """The messages that may hold a field of the block that a place is in."""
    from netdef.explain.reference import layer_type

    return layer_type(place.frame.type).messages if place.frame.in_line and place.frame.type in LAYERS else [place.frame.message]


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


def _blob(layer: Layer | None, place: Place) -> str | None:
    """A blob as a layer reads or makes it."""
    if layer is None:
        return None
    blobs = layer.bottoms if place.wants is Wants.BOTTOM else layer.tops
    blob = next((one for one in blobs if one.name == place.word), None)
    if blob is None:
        return None
    readers = ", ".join(dict.fromkeys(f"{one.name} ({one.type})" for one in blob.consumers)) or "nothing"
    lines = [f"blob {_shaped(blob)}, {binary(blob.bytes)}", f"  made by  {blob.producer.name} ({blob.producer.type})"]
    return "\n".join([*lines, f"  read by  {readers}"])


def _shaped(blob: Blob) -> str:
    return f"{blob.name}  {shape_text(blob.shape)}"
