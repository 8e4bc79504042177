"""Sources of images, and their transformations."""

from __future__ import annotations

from netdef.check.gradient_flow import losses
from netdef.check.initial_weights import starts_from_weights
from netdef.check.registry import Findings, each_net, error, warning
from netdef.graph.net import Net
from netdef.layers.data import BUILTIN, ImageData, Samples


@each_net
def chance_in_testing(net: Net) -> Findings:
    """Mirroring and shuffling of test images."""
    for layer in net.layers:
        if net.phase != "test" or not isinstance(layer, Samples):
            continue
        if layer.message.transform_param.mirror:
            text = f"{layer.type} {layer.name} mirrors test images at random"
            yield warning("ND219", text, layer.within(("transform_param", "mirror")), "the result of a test then depends on chance")
        if getattr(layer.p, "shuffle", False):
            text = f"{layer.type} {layer.name} shuffles test images"
            yield warning("ND219", text, layer.where("shuffle"), "a test over all of them has the same result in any order")


@each_net
def fixed_order_in_training(net: Net) -> Findings:
    """A list of training images that is read without shuffling."""
    if net.phase != "train" or not losses(net) or starts_from_weights(net):
        return
    for layer in net.layers:
        if isinstance(layer, ImageData) and not layer.p.shuffle and not layer.source.startswith(BUILTIN):
            text = f"ImageData {layer.name} reads its training images in the order of the list"
            yield warning("ND220", text, layer.where("source"), "lists are often sorted by class: add shuffle: true")


@each_net
def means(net: Net) -> Findings:
    """Counts of mean values that are neither 1 nor the number of channels."""
    for layer in net.layers:
        if not isinstance(layer, Samples):
            continue
        transform = layer.message.transform_param
        count = len(transform.mean_value)
        at = layer.within(("transform_param", "mean_value"))
        if count and transform.HasField("mean_file"):
            yield error("ND222", f"{layer.type} {layer.name} has mean_file and mean_value", at, "keep one of them")
        elif count > 1 and isinstance(layer, ImageData) and count != layer.channels:
            text = f"{layer.type} {layer.name} has {count} mean values for {layer.channels} channels"
            yield error("ND222", text, at, "give one for all, or one for each: blue, green, red")
