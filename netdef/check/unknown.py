"""Layer types, fields and shapes that nobody here knows: they are kept, and are in the way of a run only."""

from __future__ import annotations

from netdef.check.registry import Findings, each_net, warning
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.graph.unsized import Unknown
from netdef.language.kept import names
from netdef.language.source import excerpt
from netdef.language.units import plural
from netdef.schema.idle_fields import is_idle

SHOWN = 3  # layers that a finding names


@each_net
def unknown_types(net: Net) -> Findings:
    """Each layer type that is not known, with its layers."""
    for kind, layers in net.unknown_types.items():
        text = f"unknown layer type {excerpt(kind)!r}: {_listed(layers)}"
        reason = "it is kept; shapes behind it are not known, and the net cannot run; a custom layer has type: Python"
        yield warning("ND228", text, layers[0].where("type"), reason)


@each_net
def unknown_fields(net: Net) -> Findings:
    """Each field that is not known, with the layers that have it."""
    found: dict[tuple[str, str], list[tuple[Layer, int]]] = {}
    for layer in net.layers:
        if isinstance(layer, Unknown) or not layer.message.kept:
            continue
        for index, name in enumerate(names(layer.message)):
            found.setdefault((layer.type, name), []).append((layer, index))
    for (kind, name), places in found.items():
        layers = list(dict.fromkeys(layer for layer, _ in places))
        layer, index = places[0]
        text = f"unknown field {excerpt(name)} of {kind}: {_listed(layers)}"
        yield warning("ND229", text, layer.within(("kept", index)), _reason(name))


def _reason(name: str) -> str:
    if is_idle(name):
        return "it is kept, and has no effect here"
    return "it is kept; the net cannot run while nothing here does what it says"


def _listed(layers: list[Layer]) -> str:
    """How many layers these are, and the names of some."""
    named = ", ".join(layer.name for layer in layers[:SHOWN])
    more = ", ..." if len(layers) > SHOWN else ""
    return f"{plural(len(layers), 'layer')} ({named}{more})"
