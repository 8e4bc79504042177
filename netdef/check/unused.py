"""Blobs without readers, and computations without effect."""

from __future__ import annotations

from netdef.check.gradient_flow import behind, losses
from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net


@each_net
def unread_tops(net: Net) -> Findings:
    """Tops that no layer reads, of a layer whose other tops are read."""
    for layer in net.layers:
        if len(layer.tops) < 2 or layer.is_loss or layer.is_report:
            continue
        if any(top.consumers for top in layer.tops):
            for top in layer.tops:
                if not top.consumers and not layer.loss_weights[top.index]:
                    at = layer.where("top", top.index)
                    yield warning("ND201", f"no layer reads blob {top.name}", at, "leave it out, or give it to a Silence layer")


@each_net
def unused_in_training(net: Net) -> Findings:
    """Layers that training computes and no loss depends on."""
    roots = losses(net)
    if net.phase != "train" or not roots:
        return
    needed = behind([*roots, *(layer for layer in net.layers if layer.is_report)])
    for layer in net.layers:
        if layer in needed or layer.is_source or layer.is_loss or any(top.consumers for top in layer.tops):
            continue
        text = f"{layer.type} {layer.name} leads to no loss: training computes it without effect"
        reason = f"test layer {layer.name}: ... keeps it to the test phase"
        yield warning("ND202", text, layer.position, reason)
