"""How a fully connected layer lowers: three GEMMs and the bias."""

from __future__ import annotations

from math import prod

from netdef.language.diagnostics import NetdefError
from netdef.layers.inner_product import InnerProduct
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(InnerProduct)
def lower(layer: InnerProduct, build: Builder) -> None:
    if layer.axis == 0:
        raise NetdefError(
            f"inner product '{layer.name}' cannot run with axis 0: the batch is not one of its inputs",
            position=layer.position,
        )
    shape = layer.bottoms[0].shape
    A, K, N, O = prod(shape[1 : layer.axis]), prod(shape[layer.axis :]), shape[0], layer.num_output
    w = build.parameter(layer, 0)
    x = build.bottom(layer, 0).view((A, K, N))
    y = build.top(layer, 0)
    b = build.parameter(layer, 1) if layer.bias_term else w
    build.forward(
        "inner_product", x, w, b, out=y.view((A, O, N)), transpose=layer.transpose,
        has_bias=layer.bias_term, relu=False, slope=0.0, macs=layer.macs,
    )  # fmt: skip
    if layer.bias_term and build.needs_parameter_gradient(layer, 1):
        dy = build.top_gradient(layer, 0).view((A, O, 1, N))
        build.backward("bias_gradient", dy, out=build.parameter_gradient(layer, 1))
    if build.needs_parameter_gradient(layer, 0):
        dy, dw = build.top_gradient(layer, 0).view((A, O, N)), build.parameter_gradient(layer, 0)
        build.backward("inner_product_weight_gradient", x, dy, out=dw, transpose=layer.transpose, macs=layer.macs)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0).view((A, O, N)), build.bottom_gradient(layer, 0).view((A, K, N))
        build.backward("inner_product_input_gradient", dy, w, out=dx, transpose=layer.transpose, macs=layer.macs)
