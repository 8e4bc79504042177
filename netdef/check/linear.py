"""Layers that a neighbour makes redundant."""

from __future__ import annotations

from netdef.check.gradient_flow import losses
from netdef.check.registry import Findings, each_net, setting, warning
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.layers.convolution import Filters
from netdef.layers.dropout import Dropout
from netdef.layers.inner_product import InnerProduct
from netdef.layers.normalize import BatchNorm


@each_net
def two_linear_layers(net: Net) -> Findings:
    """An inner product that follows another without a nonlinearity between them."""
    linear: dict[Layer, Layer] = {}  # by layer: the inner product whose output it passes on
    for layer in net.layers:
        if (layer.keeps_values or isinstance(layer, Dropout)) and layer.bottoms[0].producer in linear:
            linear[layer] = linear[layer.bottoms[0].producer]
        if isinstance(layer, InnerProduct):
            linear[layer] = layer
            maker = linear.get(layer.bottoms[0].producer)
            if maker is not None:
                text = f"InnerProduct {layer.name} follows InnerProduct {maker.name} with no nonlinearity between them"
                yield warning("ND211", text, layer.where("bottom", 0), f"is a ReLU after {maker.name} missing?")


@each_net
def bias_before_batch_norm(net: Net) -> Findings:
    for layer in net.layers if losses(net) else ():
        if isinstance(layer, BatchNorm) and layer.uses_batch_statistics:  # means that are fixed do not follow the bias
            maker = layer.bottoms[0].producer
            biased = isinstance(maker, (Filters, InnerProduct)) and maker.bias_term
            if biased and len(layer.bottoms[0].consumers) == 1:
                text = f"BatchNorm {layer.name} cancels the bias of {maker.type} {maker.name}"
                yield warning("ND212", text, setting(maker, "bias_term"), "add bias_term: false")
