"""Windows that cover nothing of the image."""

from __future__ import annotations

from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net
from netdef.layers.convolution import Convolution
from netdef.layers.pooling import Pooling
from netdef.layers.select import Crop
from netdef.layers.window import sizes


@each_net
def pooling_beside_the_image(net: Net) -> Findings:
    """A last window that starts beyond the edge."""
    for layer in net.layers:
        if not isinstance(layer, Pooling) or not layer.is_sized:
            continue
        sides = zip(layer.bottoms[0].shape[2:], layer.tops[0].shape[2:], layer.stride, layer.pad, strict=True)
        if any((count - 1) * stride - pad >= size for size, count, stride, pad in sides):
            text = f"the last window of Pooling {layer.name} lies outside its input, {sizes(layer.bottoms[0].shape[2:])}"
            yield warning("ND214", text, layer.where("stride"), "add round_mode: FLOOR, or a stride no larger than the kernel")


@each_net
def convolution_of_padding(net: Net) -> Findings:
    """A pad as large as the kernel; where a Crop cuts what that adds, as in fully convolutional nets, it is meant."""
    for layer in net.layers if not any(isinstance(one, Crop) for one in net.layers) else ():
        if not isinstance(layer, Convolution) or not layer.is_sized:
            continue
        extents = tuple(d * (k - 1) + 1 for k, d in zip(layer.kernel, layer.dilation, strict=True))
        if any(pad >= extent for pad, extent in zip(layer.pad, extents, strict=True)):
            text = f"pad {sizes(layer.pad)} of Convolution {layer.name} is as large as its kernel, {sizes(extents)}"
            half = sizes(tuple(extent // 2 for extent in extents))
            yield warning("ND215", text, layer.where("pad"), f"windows at the border cover only zeros; pad: {half} keeps the size")
