"""Layers in place that overwrite blobs which other layers, or gradients, need."""

from __future__ import annotations

from netdef.check.gradient_flow import losses
from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net
from netdef.language.diagnostics import Note


@each_net
def overwritten_for_others(net: Net) -> Findings:
    """In place on a blob that other layers read."""
    for layer in net.layers:
        for index, reused in enumerate(layer.in_place):
            blob = layer.bottoms[index] if reused else None
            others = [reader for reader in dict.fromkeys(blob.consumers) if reader is not layer] if blob else []
            if blob is not None and others:
                text = f"{layer.type} {layer.name} works in place on {blob.name}, which {others[0].name} reads too"
                notes = (Note(f"layer {others[0].name} reads {blob.name} as it was before", others[0].position),)
                reason = f"give {layer.name} a top of its own"
                yield warning("ND205", text, layer.where("top", index), reason, notes)


@each_net
def overwritten_for_the_gradient(net: Net) -> Findings:
    """In place on a blob whose values a backward pass needs."""
    if net.phase != "train" or not losses(net):
        return
    for layer in net.layers:
        for index, reused in enumerate(layer.in_place):
            if not reused:
                continue
            maker = layer.bottoms[index].producer
            text = ""
            if "bottom" in layer.backward_reads:
                text = f"{layer.type} {layer.name} overwrites its own input, which its gradient needs"
            elif "top" in maker.backward_reads and not layer.keeps_values:
                text = f"{layer.type} {layer.name} overwrites the output of {maker.type} {maker.name}, which its gradient needs"
            if text:
                yield warning("ND206", text, layer.where("top", index), f"give {layer.name} a top of its own")


@each_net
def not_in_place_in_caffe(net: Net) -> Findings:
    """In place in a layer that Caffe refuses in place, or whose shape changes."""
    for layer in net.layers:
        for index, reused in enumerate(layer.in_place):
            if reused and (not layer.allows_in_place or layer.tops[index].shape != layer.bottoms[index].shape):
                text = f"Caffe cannot run {layer.type} {layer.name} in place"
                yield warning("ND225", text, layer.where("top", index), f"give {layer.name} a top of its own")
