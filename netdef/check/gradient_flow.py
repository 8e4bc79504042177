"""The flow of values and gradients: which layers lead to a loss, and which of them learn from it."""

from __future__ import annotations

from collections.abc import Iterable

from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net
from netdef.graph.unsized import weights_unknown


def losses(net: Net) -> list[Layer]:
    """The layers with tops that training minimises."""
    return [layer for layer in net.layers if any(weight > 0 for weight in layer.loss_weights)]


def passes_to(layer: Layer) -> list[Blob]:
    """The bottoms to which a layer passes a gradient."""
    if not layer.tops:
        return []
    return [layer.bottoms[i] for i in layer.gradient_bottoms if layer.propagate_down[i] is not False]


def behind(layers: Iterable[Layer], gradient: bool = False) -> set[Layer]:
    """These layers, and those that they depend on; with `gradient`, only through bottoms that get a gradient."""
    found: set[Layer] = set()
    waiting = list(layers)
    while waiting:
        layer = waiting.pop()
        if layer not in found:
            found.add(layer)
            waiting += [blob.producer for blob in (passes_to(layer) if gradient else layer.bottoms)]
    return found


def learning(net: Net) -> set[Layer]:
    """The layers whose gradient changes a parameter: their own, or that of a layer before them."""
    found: set[Layer] = set()
    for layer in net.layers:
        if learns(layer) or weights_unknown(layer) or any(blob.producer in found for blob in passes_to(layer)):
            found.add(layer)
    return found


def learns(layer: Layer) -> bool:
    """Whether training changes any of its parameters."""
    return any(parameter.lr_mult != 0 for parameter in layer.parameters)
