"""How Embed lowers: rows of a table, picked by number."""

from __future__ import annotations

from netdef.graph.shape import images
from netdef.layers.inner_product import Embed
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(Embed)
def lower(layer: Embed, build: Builder) -> None:
    N = images(layer.bottoms[0].shape)
    A, D = layer.bottoms[0].count // N, layer.num_output
    x, y, w = build.bottom(layer, 0).view((A, N)), build.top(layer, 0).view((A, D, N)), build.parameter(layer, 0)
    b = build.parameter(layer, 1) if layer.bias_term else w
    build.forward("embed", x, w, b, out=y, has_bias=layer.bias_term)
    if layer.bias_term and build.needs_parameter_gradient(layer, 1):
        dy = build.top_gradient(layer, 0).view((A, D, 1, N))
        build.backward("bias_gradient", dy, out=build.parameter_gradient(layer, 1))
    if build.needs_parameter_gradient(layer, 0):
        dy = build.top_gradient(layer, 0).view((A, D, N))
        build.backward("embed_gradient", x, dy, out=build.parameter_gradient(layer, 0))
