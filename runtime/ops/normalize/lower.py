"""How BatchNorm and MVN lower."""

from __future__ import annotations

from math import prod

from netdef.layers.normalize import MVN, BatchNorm
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ir.runs import row_runs
from runtime.ops.registry import lowers


def channels(layer: BatchNorm, buffer: Buffer) -> Buffer:
    """A blob as a row a channel."""
    return buffer.view((layer.channels, buffer.size // layer.channels))


@lowers(BatchNorm)
def lower_batch_norm(layer: BatchNorm, build: Builder) -> None:
    if layer.scale_bias:
        hint = "a Scale layer with bias_term does the same"
        raise layer.error("there are no kernels for scale_bias yet", "scale_bias", hint=hint)
    C = layer.channels
    mean, inverse = build.saved(layer, "mean", (C,)), build.saved(layer, "inverse", (C,))
    x, y = channels(layer, build.bottom(layer, 0)), channels(layer, build.top(layer, 0))
    if layer.use_global_stats:
        sums = [build.parameter(layer, index) for index in range(3)]
        build.forward("global_statistics", *sums, out=(mean, inverse), eps=layer.eps)
    else:
        lower_batch_statistics(layer, build, x, mean, inverse)
    build.forward("normalize_channels", x, mean, inverse, out=y, inplace=True)
    if not build.needs_gradient(layer, 0):
        return
    dy, dx = channels(layer, build.top_gradient(layer, 0)), channels(layer, build.bottom_gradient(layer, 0))
    if layer.use_global_stats:
        rows = (1, *x.shape)
        build.backward("scale_rows", dy.view(rows), inverse, out=dx.view(rows), inplace=True)
        return
    rows, R = (1, *x.shape), x.shape[1]
    terms = build.saved(layer, "terms", (C, row_runs(1, R), 2), "float64")
    products, totals = build.saved(layer, "products", (C,)), build.saved(layer, "sums", (C,))
    build.backward("product_terms", dy.view(rows), y.view(rows), out=terms, negative=False)
    build.backward("sums_of_terms", terms, out=(products, totals))
    build.backward("normalize_channels_backward", dy, y, inverse, products, totals, out=dx, inplace=True)


def lower_batch_statistics(layer: BatchNorm, build: Builder, x: Buffer, mean: Buffer, inverse: Buffer) -> None:
    """Mean and variance of the batch, and what a training net makes of its running sums."""
    C, R = x.shape
    moments, variance = build.saved(layer, "moments", (C, row_runs(1, R), 2), "float64"), build.saved(layer, "variance", (C,))
    build.forward("channel_moments", x, out=moments)
    build.forward("batch_statistics", moments, out=(mean, variance, inverse), count=R, eps=layer.eps)
    if layer.phase == "train":
        before, after = zip(*(build.next_value(layer, index) for index in range(3)), strict=True)
        build.forward(
            "running_statistics", mean, variance, build.scalar("added"), *before, out=after,
            fraction=layer.moving_average_fraction, correction=R / (R - 1) if R > 1 else 1.0,
        )  # fmt: skip


@lowers(MVN)
def lower_mvn(layer: MVN, build: Builder) -> None:
    shape = layer.bottoms[0].shape
    outer = 1 if layer.p.across_channels else prod(shape[1:2])
    columns = (outer, prod(shape[1:]) // outer, shape[0])
    x, y = build.bottom(layer, 0).view(columns), build.top(layer, 0).view(columns)
    inverse = build.saved(layer, "inverse", (outer, shape[0]))
    if layer.p.normalize_variance:
        build.forward("standardize_columns", x, out=(y, inverse), eps=layer.p.eps, inplace=True)
    else:
        build.forward("centre_columns", x, out=y, inplace=True)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0).view(columns), build.bottom_gradient(layer, 0).view(columns)
        if layer.p.normalize_variance:
            build.backward("standardize_columns_backward", dy, y, inverse, out=dx, inplace=True)
        else:
            build.backward("centre_columns", dy, out=dx, inplace=True)
