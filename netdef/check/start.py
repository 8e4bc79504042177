"""Weights that start all the same."""

from __future__ import annotations

from netdef.check.reach import behind, learns, losses
from netdef.check.registry import Findings, each_net, setting, warning
from netdef.graph import Net

WEIGHTED = ("Convolution", "Deconvolution", "InnerProduct", "Embed", "LSTM", "RNN")


@each_net
def constant_weights(net: Net) -> Findings:
    """Layers that learn from a loss and whose weights start at a constant."""
    if net.phase != "train":
        return
    trained = behind(losses(net), gradient=True)
    for layer in net.layers:
        if layer.type not in WEIGHTED or layer not in trained or not learns(layer):
            continue
        weights = layer.parameters[0]
        filler = weights.filler
        if weights.lr_mult and not weights.shared and (filler is None or filler.type == "constant"):
            value = filler.value if filler is not None else 0
            text = f"all weights of {layer.type} {layer.name} start at {value:g}"
            reason = 'its neurons never become different: add weight_filler { type: "xavier" }, say'
            yield warning("ND209", text, setting(layer, "weight_filler"), reason)
