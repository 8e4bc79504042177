"""How a fully connected layer lowers: three GEMMs and the bias."""

from __future__ import annotations

from functools import partial
from math import prod

from netdef import NetdefError
from netdef.graph.cuts import even_cuts
from netdef.layers.inner_product import InnerProduct
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.inner_product.cpu import ROWS
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
        parts=_parts(layer, build), has_bias=layer.bias_term, relu=False, slope=0.0, macs=layer.macs,
    )  # fmt: skip
    if layer.bias_term and build.needs_parameter_gradient(layer, 1):
        dy = build.top_gradient(layer, 0).view((A, O, 1, N))
        build.backward("bias_gradient", dy, out=build.parameter_gradient(layer, 1))
    if build.needs_parameter_gradient(layer, 0):
        dy = build.top_gradient(layer, 0).view((A, O, N))
        dw = build.parameter_gradient(layer, 0)
        scratch = min(ROWS, dw.shape[0]) * dw.shape[1] if A > 1 else 1
        build.backward(
            "inner_product_weight_gradient", x, dy, out=dw, transpose=layer.transpose, parts=_parts(layer, build),
            scratch=scratch, macs=layer.macs,
        )  # fmt: skip
    if build.needs_gradient(layer, 0):
        _input_gradient(layer, build, (A, O, K, N))


def _parts(layer: InnerProduct, build: Builder) -> int:
    """In how many parts the outputs are computed, where each part has rows of dy and of the weights to itself."""
    return min(build.parts(layer), layer.num_output) if layer.axis == 1 and not layer.transpose else 1


def _input_gradient(layer: InnerProduct, build: Builder, sizes: tuple[int, int, int, int]) -> None:
    w, dy, dx, (A, O, K, N) = build.parameter(layer, 0), build.top_gradient(layer, 0), build.bottom_gradient(layer, 0), sizes

    def append(w: Buffer, dy: Buffer, outputs: int, out: Buffer) -> None:
        build.backward(
            "inner_product_input_gradient", dy.view((A, outputs, N)), w, out=out.view((A, K, N)),
            transpose=layer.transpose, macs=layer.macs * outputs // O,
        )  # fmt: skip

    cuts = even_cuts(O, _parts(layer, build))
    if len(cuts) == 1:
        append(w, dy, O, dx)
        return
    build.backward_sum(dx, [partial(append, w.rows(*cut), dy.rows(*cut), cut[1] - cut[0]) for cut in cuts])
