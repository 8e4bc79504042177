"""How BatchNorm, BN, Normalize and MVN lower."""

from __future__ import annotations

from math import prod

from netdef.layers.normalize import BN, MVN, SCALE, BatchNorm, Normalize
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ir.runs import row_runs
from runtime.ops.registry import lowers


def channels(layer: BatchNorm | BN, buffer: Buffer) -> Buffer:
    """A blob as a row a channel."""
    return buffer.view((layer.channels, buffer.size // layer.channels))


@lowers(BatchNorm)
def lower_batch_norm(layer: BatchNorm, build: Builder) -> None:
    C = layer.channels
    mean, inverse = build.saved(layer, "mean", (C,)), build.saved(layer, "inverse", (C,))
    x = channels(layer, build.bottom(layer, 0))
    if layer.use_global_stats:
        sums = [build.parameter(layer, index) for index in range(3)]
        unset = 1.0 if layer.scale_bias else 0.0  # NVIDIA's Caffe does not read the divisor, which its older files leave at 0
        build.forward("global_statistics", *sums, out=(mean, inverse), eps=layer.eps, unset=unset)
    else:
        running = [build.next_value(layer, index) for index in range(3)] if layer.phase == "train" else []
        lower_batch_statistics(layer, build, x, mean, inverse, running, layer.moving_average_fraction, layer.batch_weight)
    learned = (SCALE, SCALE + 1) if layer.scale_bias else None
    lower_normalized(layer, build, x, mean, inverse, layer.use_global_stats, learned)


@lowers(BN)
def lower_bn(layer: BN, build: Builder) -> None:
    C = layer.channels
    x = channels(layer, build.bottom(layer, 0))
    if layer.only_scales:
        lower_scaled(layer, build, x, channels(layer, build.top(layer, 0)), 0, 1)
        if build.needs_gradient(layer, 0):
            rows, scale = (1, *x.shape), build.parameter(layer, 0).flat()
            dy, dx = build.top_gradient(layer, 0).view(rows), build.bottom_gradient(layer, 0).view(rows)
            build.backward("scale_rows", dy, scale, out=dx, inplace=True)
        return
    mean, inverse = build.saved(layer, "mean", (C,)), build.saved(layer, "inverse", (C,))
    if layer.uses_batch_statistics:
        running: list[tuple[Buffer, Buffer]] = []
        if layer.phase == "train" and not layer.of_segnet:
            one = build.saved(layer, "divisor", (1,))  # stays 1: before and after are one array, which each batch fills anew
            build.forward("fill", out=one, value=1.0)
            averages = [build.next_value(layer, index) for index in (2, 3)]
            running = [*((before.flat(), after.flat()) for before, after in averages), (one, one)]
        lower_batch_statistics(layer, build, x, mean, inverse, running, layer.momentum, 1 - layer.momentum)
    else:
        one = build.saved(layer, "divisor", (1,))
        build.forward("fill", out=one, value=1.0)
        stored = (build.parameter(layer, index).flat() for index in (2, 3))
        build.forward("global_statistics", *stored, one, out=(mean, inverse), eps=layer.eps, unset=0.0)
    lower_normalized(layer, build, x, mean, inverse, not layer.uses_batch_statistics, (0, 1))


def lower_batch_statistics(
    layer: BatchNorm | BN, build: Builder, x: Buffer, mean: Buffer, inverse: Buffer, running: list[tuple[Buffer, Buffer]],
    fraction: float, weight: float,
) -> None:  # fmt: skip
    """Mean and variance of the batch, and what a training net makes of its running averages.

    Parameters
    ----------
    running: means, variances and divisor, before and after the batch; none for no averages.
    fraction, weight: factors of what they were, and of what the batch adds.
    """
    C, R = x.shape
    moments, variance = build.saved(layer, "moments", (C, row_runs(1, R), 2), "float64"), build.saved(layer, "variance", (C,))
    build.forward("channel_moments", x, out=moments)
    build.forward("batch_statistics", moments, out=(mean, variance, inverse), count=R, eps=layer.eps)
    if running:
        before, after = zip(*running, strict=True)
        unbiased = R / (R - 1) if R > 1 and isinstance(layer, BatchNorm) else 1.0
        build.forward(
            "running_statistics", mean, variance, build.scalar("added"), *before, out=after,
            fraction=fraction, weight=weight, correction=unbiased,
        )  # fmt: skip


def lower_normalized(
    layer: BatchNorm | BN, build: Builder, x: Buffer, mean: Buffer, inverse: Buffer, known: bool, learned: tuple[int, int] | None
) -> None:
    """The channels with mean and inverse deviation applied, then a scale and a shift; and the gradients.

    Parameters
    ----------
    known: whether mean and deviation do not depend on the batch.
    learned: the parameters that scale and shift, if there are any.
    """
    (C, R), top = x.shape, channels(layer, build.top(layer, 0))
    y = build.saved(layer, "normalized", x.shape) if learned else top
    build.forward("normalize_channels", x, mean, inverse, out=y, inplace=True)
    rows, gradient = (1, C, R), None
    if learned:
        gradient = build.saved(layer, "normalized.grad", x.shape) if build.needs_gradient(layer, 0) else None
        lower_scaled(layer, build, y, top, *learned, gradient)
    if not build.needs_gradient(layer, 0):
        return
    dx = channels(layer, build.bottom_gradient(layer, 0))
    dy = gradient or channels(layer, build.top_gradient(layer, 0))
    if known:
        build.backward("scale_rows", dy.view(rows), inverse, out=dx.view(rows), inplace=True)
        return
    terms = build.saved(layer, "terms", (C, row_runs(1, R), 2), "float64")
    products, totals = build.saved(layer, "products", (C,)), build.saved(layer, "sums", (C,))
    build.backward("product_terms", dy.view(rows), y.view(rows), out=terms, negative=False)
    build.backward("sums_of_terms", terms, out=(products, totals))
    build.backward("normalize_channels_backward", dy, y, inverse, products, totals, out=dx, inplace=True)


def lower_scaled(
    layer: BatchNorm | BN, build: Builder, y: Buffer, top: Buffer, scale: int, shift: int, dy: Buffer | None = None
) -> None:
    """top = y * scale + shift, channel by channel, the gradients of these parameters, and `dy`, that of y, where asked for."""
    (C, R), (f, b) = y.shape, (build.parameter(layer, index).flat() for index in (scale, shift))
    rows = (1, C, R)
    build.forward("scale_add_rows", y.view(rows), f, b, out=top.view(rows), inplace=True)
    wanted = [build.needs_parameter_gradient(layer, index) for index in (scale, shift)]
    if dy is not None or any(wanted):
        dz = build.top_gradient(layer, 0).view(rows)
    if dy is not None:
        build.backward("scale_rows", dz, f, out=dy.view(rows), inplace=True)
    if any(wanted):
        terms = build.saved(layer, "scale.terms", (C, row_runs(1, R), 2), "float64")
        build.backward("product_terms", dz, y.view(rows), out=terms, negative=False)
        sums = tuple(
            build.parameter_gradient(layer, index).flat() if asked else build.saved(layer, f"unused{index}", (C,))
            for index, asked in zip((scale, shift), wanted, strict=True)
        )
        build.backward("sums_of_terms", terms, out=sums)


@lowers(Normalize)
def lower_normalize(layer: Normalize, build: Builder) -> None:
    x, top, scale = build.bottom(layer, 0), build.top(layer, 0), build.parameter(layer, 0).flat()
    columns = layer.bottoms[0].shape[0] if layer.across_spatial else x.size // x.shape[0]
    shape, rows = (1, x.size // columns, columns), (1, scale.size, x.size // scale.size)
    y, inverse = build.saved(layer, "unit", x.shape), build.saved(layer, "inverse", (1, columns))
    build.forward("unit_columns", x.view(shape), out=(y.view(shape), inverse), eps=layer.eps)
    build.forward("scale_rows", y.view(rows), scale, out=top.view(rows))
    learns = build.needs_parameter_gradient(layer, 0)
    if learns or build.needs_gradient(layer, 0):
        dz = build.top_gradient(layer, 0).view(rows)
    if learns:
        terms = build.saved(layer, "terms", (scale.size, row_runs(1, rows[2]), 2), "float64")
        build.backward("product_terms", dz, y.view(rows), out=terms, negative=False)
        sums = build.parameter_gradient(layer, 0).flat(), build.saved(layer, "sums", (scale.size,))
        build.backward("sums_of_terms", terms, out=sums)
    if build.needs_gradient(layer, 0):
        dy, dx = build.saved(layer, "unit.grad", x.shape), build.bottom_gradient(layer, 0)
        build.backward("scale_rows", dz, scale, out=dy.view(rows))
        build.backward("unit_columns_backward", dy.view(shape), y.view(shape), inverse, out=dx.view(shape), inplace=True)


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
