"""How dropout lowers: to nothing in testing, to one kernel each way in training."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

from netdef.graph.cuts import Region, region_of
from netdef.layers.dropout import Dropout
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


@lowers(Dropout)
def lower(layer: Dropout, build: Builder) -> None:
    if layer.phase == "test" and layer.scales_in_testing:
        lower_scaled(layer, build)
        return
    if layer.phase == "test" or layer.ratio == 0:
        build.alias(layer, 0, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, 0, 0)
        return
    x, y, iteration = build.bottom(layer, 0).flat(), build.top(layer, 0).flat(), build.scalar("iteration")
    constants = {"key": build.seed(layer), "threshold": ceil(layer.ratio * 2**24), "factor": layer.factor}
    needed = build.needs_gradient(layer, 0)
    dy, dx = (build.top_gradient(layer, 0).flat(), build.bottom_gradient(layer, 0).flat()) if needed else (y, x)
    region = build.region(layer.tops[0])
    if region is None or region[0] == region_of(region[1]):
        build.forward("dropout", x, iteration, out=y, **constants, inplace=True)
        if needed:
            build.backward("dropout", dy, iteration, out=dx, **constants, inplace=True)
        return
    begin = 0
    for count, numbers in runs(*region):

        def some(buffer: Buffer, begin: int = begin, count: int = count) -> Buffer:
            return buffer.view((count,), begin)

        build.forward("dropout_region", some(x), iteration, out=some(y), **constants, **numbers, inplace=True)
        if needed:
            build.backward("dropout_region", some(dy), iteration, out=some(dx), **constants, **numbers, inplace=True)
        begin += count


def lower_scaled(layer: Dropout, build: Builder) -> None:
    """Testing of a net whose training does not divide by what is kept."""
    factor = build.saved(layer, "factor", (1,))
    build.forward("fill", out=factor, value=1 - layer.ratio)
    x, y = build.bottom(layer, 0), build.top(layer, 0)
    rows = (1, 1, x.size)
    build.forward("scale_rows", x.view(rows), factor, out=y.view(rows), inplace=True)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0).view(rows), build.bottom_gradient(layer, 0).view(rows)
        build.backward("scale_rows", dy, factor, out=dx, inplace=True)


def runs(region: Region, shape: tuple[int, ...]) -> Iterator[tuple[int, dict[str, int]]]:
    """For each run of a region's channels its number of elements, and where those are among the blob's: see `dropout_region`."""
    (first, last), images = region.images, shape[0]
    for begin, end in region.channels or ((0, 1),):
        rows, before = (end - begin) * prod(shape[2:]), begin * prod(shape[2:]) * images
        if last - first == images:
            yield rows * images, {"first": before, "width": rows * images, "pitch": images}
        else:
            yield rows * (last - first), {"first": before + first, "width": last - first, "pitch": images}
