"""How ArgMax lowers: the largest elements, by their indices, by their values or both."""

from __future__ import annotations

from netdef.layers.accuracy import ArgMax
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers
from runtime.ops.softmax.lower import along


@lowers(ArgMax)
def lower(layer: ArgMax, build: Builder) -> None:
    x, y = build.bottom(layer, 0), build.top(layer, 0)
    if layer.axis is not None:
        build.forward("largest", along(x, layer.axis), out=along(y, layer.axis), values=layer.out_max_val)
        return
    images, k = layer.bottoms[0].shape[0], layer.top_k
    rows = x.view((1, x.size // images, images))
    for plane in range(2 if layer.out_max_val else 1):
        build.forward("largest", rows, out=y.view((1, k, images), plane * k * images), values=plane == 1)
