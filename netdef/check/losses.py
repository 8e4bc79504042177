"""Losses whose scores are probabilities already."""

from __future__ import annotations

from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net


@each_net
def taken_twice(net: Net) -> Findings:
    """A softmax before a loss that computes the softmax itself, and a sigmoid likewise."""
    for layer in net.layers:
        maker = layer.bottoms[0].producer if layer.activation else None
        if maker is not None and maker.type == layer.activation:
            function = layer.activation.lower()
            text = f"{layer.type} {layer.name} takes the {function} of {layer.bottoms[0].name}, which is already a {function}"
            reason = f"read {maker.message.bottom[0]}, the raw scores"
            yield warning("ND210", text, layer.where("bottom", 0), reason)
