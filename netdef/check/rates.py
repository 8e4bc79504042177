"""Rates and names of parameters that say less than was meant."""

from __future__ import annotations

from collections import Counter

from netdef.check.gradient_flow import losses
from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net


@each_net
def bias_that_goes_on_learning(net: Net) -> Findings:
    """One param with a rate of 0, in a layer that has two parameters: the bias learns at its default rate."""
    if net.phase != "train" or not losses(net):
        return
    for layer in net.layers:
        specs = layer.message.param
        if len(specs) == 1 and specs[0].lr_mult == 0 and len(layer.parameters) == 2 and layer.parameters[1].lr_mult:
            text = f"the weights of {layer.type} {layer.name} are kept, but its bias learns"
            yield warning("ND232", text, layer.where("param", 0), "a second param { lr_mult: 0 } keeps the bias too")


@each_net
def names_of_one_parameter(net: Net) -> Findings:
    """A name of a shared array that only one parameter has."""
    counts = Counter(parameter.name for parameter in net.parameters if parameter.name)
    for parameter in net.parameters:
        if counts[parameter.name] == 1:
            text = f"{parameter} is named {parameter.name!r} to be shared, and no other parameter has that name"
            at = parameter.layer.where("param", parameter.index)
            yield warning("ND233", text, at, "is the name misspelt in the other layer?")
