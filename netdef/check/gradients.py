"""Losses without learnable parameters before them, and weights without a gradient."""

from __future__ import annotations

from netdef.check.gradient_flow import behind, learning, learns, losses
from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net


@each_net
def losses_without_parameters(net: Net) -> Findings:
    """Losses that depend on no learnable parameter."""
    if net.phase != "train":
        return
    reached = learning(net)
    for loss in losses(net):
        if loss not in reached:
            reason = "weights with a rate above 0 must lead to it, through layers that pass a gradient on"
            yield warning("ND203", f"no parameter reaches loss {loss.name}: it cannot get smaller", loss.position, reason)


@each_net
def weights_without_loss(net: Net) -> Findings:
    """Weights that a loss depends on, and that get no gradient from it."""
    if net.phase != "train":
        return
    roots = losses(net)
    trained, leading = behind(roots, gradient=True), behind(roots)
    for layer in net.layers:
        if learns(layer) and layer in leading and layer not in trained:
            text = f"the weights of {layer.type} {layer.name} get no gradient: training does not change them"
            yield warning("ND204", text, layer.position, "give them param { lr_mult: 0 } if that is meant")


@each_net
def losses_that_do_not_count(net: Net) -> Findings:
    """Losses with a weight of 0 or less."""
    if net.phase != "train":
        return
    for layer in net.layers:
        for index, weight in enumerate(layer.loss_weights):
            if layer.message.loss_weight and (weight < 0 or (weight == 0 and index == 0 and layer.is_loss)):
                at = layer.where("loss_weight", index)
                text = f"loss {layer.name} has weight {weight:g}"
                yield warning("ND223", text, at, "nothing learns from it" if weight == 0 else "training makes it larger")
