"""Layers that share a name."""

from __future__ import annotations

from netdef.check.registry import Findings, each_net, warning
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.language.diagnostics import Note


@each_net
def one_name(net: Net) -> Findings:
    """Layers without weights that have the name of an earlier one."""
    first: dict[str, Layer] = {}
    for layer in net.layers:
        name = layer.message.name
        if name and first.setdefault(name, layer) is not layer:
            notes = (Note("the first one", first[name].where("name")),)
            text = f"two layers are named {name}: this one is shown as {layer.name}"
            yield warning("ND227", text, layer.where("name"), "give each its own name", notes)
