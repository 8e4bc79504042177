"""Losses whose scores are probabilities already."""

from __future__ import annotations

from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net


@each_net
def without_negatives(net: Net) -> Findings:
    """A ReLU, or what is like it, on the scores of a loss that applies a softmax or a sigmoid: no score can be below 0."""
    for layer in net.layers:
        maker = layer.bottoms[0].producer if layer.activation else None
        if maker is not None and maker.cuts_off_at_zero:
            text = f"{maker.type} {maker.name} cuts the scores of {layer.type} {layer.name} off at 0"
            yield warning("ND230", text, maker.position, f"classes that lose all get the same score: leave {maker.name} out")


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
