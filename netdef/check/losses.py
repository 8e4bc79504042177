"""Losses over values that are probabilities already."""

from __future__ import annotations

from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net

TAKES = {"SoftmaxWithLoss": "Softmax", "InfogainLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}


@each_net
def taken_twice(net: Net) -> Findings:
    """A softmax before a loss that takes the softmax itself; the same of the sigmoid."""
    for layer in net.layers:
        function = TAKES.get(layer.type)
        maker = layer.bottoms[0].producer if function else None
        if function and maker is not None and maker.type == function:
            text = f"{layer.type} {layer.name} takes the {function.lower()} of {layer.bottoms[0].name}, which is one already"
            reason = f"read {maker.message.bottom[0]}, the raw scores"
            yield warning("ND210", text, layer.where("bottom", 0), reason)
