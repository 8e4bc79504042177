"""Plans of a convolution on the CPU: groups of one channel by sums, small windows by tiles, else im2col and GEMM.

Windows of tiles move by 1, or by more over an image that is dealt out by phases.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import gcd

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.product import HEIGHT, PANEL, packed_size
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import Launch, Plan, launch, plans
from runtime.kernels.operand import Kept, Operand, Workspace
from runtime.ops.convolution import depthwise, phases, tiles, tiles_gradient
from runtime.ops.convolution import tiles_product as _tiles_product  # noqa: F401 - registers its kernels
from runtime.ops.convolution.direct import blocks_of, column_block, runs_of
from runtime.ops.convolution.geometry import Geometry, Pair, depthwise_flops, is_depthwise, is_pointwise, position_run

COLUMNS = 10 * PANEL  # output positions x batch in one product: what is packed of the windows stays in the caches
FEW_COLUMNS = 4 * PANEL  # tiles x batch in one product: what they are transformed to stays in the caches
KEPT_COLUMNS = 512  # tiles x batch; for more, transforming the weights anew takes a small share of the time
SHALLOW, SHALLOW_BLOCK = 64, 64  # channels, and outputs of one item: the terms of both stay in the nearer cache
NARROW = 288  # channels and outputs together: half of the columns, so that the terms of both leave that cache less often
FEWEST_TILED, TILED_ROWS = 4, 128  # items, and outputs of one: each transforms the inputs again
FEW_WORKERS, BUSY = 8, 0.9  # more have items that so much of their time is work, if that can be
MOST_TERMS = 64 << 20  # bytes of transformed inputs that blocks of outputs share
GRADIENT_ROWS = 128  # of the windows' matrix in one item of the input gradient by col2im
FEWEST_ROWS = 32  # outputs of one item: each packs the inputs again
LEAST_COLUMNS = 2048  # positions x batch of one segment of the weights' gradient
MOST_PACKED = 8 << 20  # bytes of packed windows that blocks of outputs share: they stay in the last cache
FEWEST_ITEMS, MOST_ITEMS = 8, 16  # to keep several workers busy


def conv2d_flops(
    x: Operand, w: Operand, b: Operand, y: Operand, has_bias: bool, relu: bool, slope: float, **constants: Pair | int
) -> int:
    """Of the epilogue, and of a depthwise convolution, as no matrix product counts those."""
    return (has_bias + relu) * y.size + depthwise_flops(Geometry(**constants), w, y)  # type: ignore[arg-type]


@plans(flops=conv2d_flops)
def conv2d(
    x: Operand,
    w: Operand,
    b: Operand,
    y: Operand,
    has_bias: bool,
    relu: bool,
    slope: float,
    workers: int = 1,
    **constants: Pair | int,
) -> Launch | Plan:
    geometry, epilogue = Geometry(**constants), Epilogue(has_bias, relu, float(slope))  # type: ignore[arg-type]
    b = replace(b, shape=(b.size,))  # where there is no bias, it is the weights: one shape, one kernel to compile
    if is_depthwise(geometry, w):
        rows = depthwise.output_rows(y, geometry)
        return launch("conv2d_depthwise", x, w, b, y, geometry=geometry, epilogue=epilogue, rows=rows)
    made = _by_tiles(x, w, b, y, geometry, epilogue, workers) or _by_phases(x, w, b, y, geometry, epilogue, workers)
    return made or _by_windows(x, w, b, y, y, geometry, epilogue)


@plans(flops=lambda x, w, b, more, y, **constants: y.size + conv2d_flops(x, w, b, y, **constants))
def conv2d_add(
    x: Operand,
    w: Operand,
    b: Operand,
    more: Operand,
    y: Operand,
    has_bias: bool,
    relu: bool,
    slope: float,
    workers: int = 1,
    **constants: Pair | int,
) -> Plan:
    """The convolution plus another array, bit for bit as if that were added behind it."""
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    b = replace(b, shape=(b.size,))
    summed = Epilogue(has_bias)
    made = _by_tiles(x, w, b, y, geometry, summed, workers) or _by_phases(x, w, b, y, geometry, summed, workers)
    if made is None:
        return _by_windows(x, w, b, more, y, geometry, Epilogue(has_bias, relu, float(slope), added=True))
    flat = [replace(operand, shape=(y.size,)) for operand in (y, more, y)]
    after = launch("add_relu", *flat, slope=slope) if relu else launch("add", *flat)
    return replace(made, launches=(*made.launches, after))


def _by_tiles(
    x: Operand, w: Operand, b: Operand, y: Operand, geometry: Geometry, epilogue: Epilogue, workers: int, offset: int = 0
) -> Plan | None:
    """The launches of a convolution by tiles, if one pays.  offset: where the workspace that they take begins."""
    (O, height, width, N), channels, M = y.shape, w.shape[1], y.shape[0] // geometry.group
    common = {"geometry": geometry, "epilogue": epilogue}
    if tiles.pays(geometry, channels, M, (height, width), N):
        tiled = tiles.tiles_of(height, width, geometry.kernel[0])
        keeps = w.lasting and tiled * N <= KEPT_COLUMNS
        transformed = Operand((tiles.TERMS, O, channels), pointer=Kept() if keeps else Workspace(offset))
        shallow = channels <= SHALLOW
        run = position_run(tiled, N, FEW_COLUMNS // 2 if shallow or channels + M <= NARROW else FEW_COLUMNS)
        runs = geometry.group * blocks_of(tiled, run)
        transform = replace(launch("transform_tile_weights", w, transformed), once=keeps)
        used, kept = (offset, transformed.bytes) if keeps else (offset + transformed.bytes, 0)
        terms = Operand((runs, tiles.TERMS, packed_size(channels, run * N)), pointer=Workspace(used))
        if runs < workers and workers > FEW_WORKERS and terms.bytes <= MOST_TERMS:
            made = launch("transform_tiles", x, terms, geometry=geometry, extent=(height, width), run=run)
            block = shared_block(M, runs, workers)
            products = launch("conv2d_terms", terms, transformed, b, y, **common, run=run, block=block)
            return Plan((transform, made, products), used + terms.bytes, kept)
        block = min(tile_block(M, runs), SHALLOW_BLOCK if shallow else M)
        return Plan((transform, launch("conv2d_tiles", x, transformed, b, y, **common, run=run, block=block)), used, kept)
    return None


def _by_phases(x: Operand, w: Operand, b: Operand, y: Operand, geometry: Geometry, epilogue: Epilogue, workers: int) -> Plan | None:
    """The same of windows that move by more than 1."""
    dealt = phases.dealt_image(x, y, geometry, Workspace())
    weights = phases.dealt_weights(w, geometry, Workspace(dealt.bytes))
    used = dealt.bytes + weights.bytes
    pays = _phases_pay(geometry, weights.shape[1], y.shape[0] // geometry.group, y.shape[1:3], y)
    made = _by_tiles(dealt, weights, b, y, phases.of_phases(geometry), epilogue, workers, used) if pays else None
    if made is None:
        return None
    deal = launch("deal_image", x, dealt, stride=geometry.stride, pad=geometry.pad)
    deal_weights = replace(launch("deal_weights", w, weights, stride=geometry.stride), once=bool(made.kept))
    return replace(made, launches=(deal, deal_weights, *made.launches), workspace=max(made.workspace, used))


def _phases_pay(
    geometry: Geometry, channels: int, made: int, extent: tuple[int, ...], dy: Operand, least: int = tiles.LEAST
) -> bool:
    """Whether a convolution of windows that move by more than 1 is faster by phases and tiles.

    Parameters
    ----------
    channels, made: inputs and outputs of a group, those of the phases.
    extent: rows and columns that tiles cover.  dy: what windows make.
    """
    if geometry.stride == (1, 1) or geometry.dilation != (1, 1):
        return False
    of, (_, rows, columns, N), (height, width) = phases.of_phases(geometry), dy.shape, extent
    positions = rows * columns * geometry.kernel[0] * geometry.kernel[1]
    area = geometry.stride[0] * geometry.stride[1] * of.kernel[0] * of.kernel[1]
    return tiles.pays(of, channels, made, (height, width), N, positions=positions // area, least=least)


def _by_windows(
    x: Operand, w: Operand, b: Operand, more: Operand, y: Operand, geometry: Geometry, epilogue: Epilogue, offset: int = 0
) -> Plan:
    """The launches of a convolution by windows and products; parameters as above, and `more`: what is added, y for nothing."""
    (_, height, width, N), M = y.shape, y.shape[0] // geometry.group
    run, block = product_run(height * width, N), output_block(y, N, geometry.group)
    common = {"geometry": geometry, "epilogue": epilogue, "run": run, "block": block}
    packed = packed_runs(w, y, geometry.group, run, offset)
    if block < M and packed.bytes <= MOST_PACKED:  # few positions: blocks of outputs share what is packed
        pack = launch("pack_runs", x, packed, geometry=geometry, extent=(height, width), run=run)
        return Plan((pack, launch("conv2d_packed", packed, w, b, more, y, **common)), offset + packed.bytes)
    return Plan((launch("conv2d_direct", x, w, b, more, y, **common),), offset)


def packed_runs(w: Operand, y: Operand, group: int, run: int, offset: int) -> Operand:
    """The windows of all positions, packed by runs, in the workspace."""
    shape = (group * runs_of(y, run), w.size // w.shape[0], packed_size(1, run * y.shape[3]))
    return Operand(shape, pointer=Workspace(offset))


def tile_block(M: int, runs: int) -> int:
    """How many of M outputs one item by tiles takes; runs: of tiles, in all groups."""
    return blocks_of(M, max(1, min(blocks_of(FEWEST_TILED, runs), M // TILED_ROWS)))


def busy(items: int, workers: int) -> float:
    """The share of the workers' time that is work while they take items of one size."""
    return items / (workers * blocks_of(items, workers))


def shared_block(M: int, runs: int, workers: int) -> int:
    """How many of M outputs one item takes of terms that all share; runs: of tiles, in all groups."""
    counts = range(1, max(1, M // FEWEST_ROWS) + 1)
    even = (count for count in counts if busy(runs * count, workers) >= BUSY)
    count = next(even, max(counts, key=lambda count: busy(runs * count, workers)))
    return blocks_of(blocks_of(M, count), HEIGHT) * HEIGHT


def product_run(positions: int, N: int) -> int:
    """How many output positions one product takes: about COLUMNS columns, whole tiles if these are many; an even number of runs
    where they are few, as most machines have an even number of cores.
    """
    run, unit = position_run(positions, N, COLUMNS), PANEL // gcd(N, PANEL)
    run = run if 2 * unit * N > COLUMNS else min(positions, blocks_of(run, unit) * unit)
    runs = blocks_of(positions, run)
    return blocks_of(positions, runs + 1) if runs % 2 and 1 < runs < MOST_ITEMS else run


def output_block(y: Operand, N: int, group: int) -> int:
    """How many outputs of a group one item takes: all, where positions alone make items enough."""
    items, M = group * runs_of(y, product_run(y.shape[1] * y.shape[2], N)), y.shape[0] // group
    blocks = max(1, min(blocks_of(FEWEST_ITEMS, items), M // FEWEST_ROWS))
    return blocks_of(blocks_of(M, blocks), HEIGHT) * HEIGHT


@plans(flops=lambda x, dy, dw, **constants: depthwise_flops(Geometry(**constants), dw, dy))
def conv2d_weight_gradient(x: Operand, dy: Operand, dw: Operand, workers: int = 1, **constants: Pair | int) -> Launch | Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise(geometry, dw):
        rows = depthwise.output_rows(dy, geometry)
        return launch("conv2d_weight_gradient_depthwise", x, dy, dw, geometry=geometry, rows=rows)
    (O, height, width, N), channels, area = dy.shape, dw.shape[1], geometry.stride[0] * geometry.stride[1]
    if tiles.pays(geometry, channels, O // geometry.group, (height, width), N, least=tiles_gradient.LEAST_TILED):
        return _weight_gradient_by_tiles(x, dy, dw, geometry, workers)
    if _phases_pay(geometry, channels * area, O // geometry.group, (height, width), dy, tiles_gradient.LEAST_TILED):
        return _weight_gradient_by_phases(x, dy, dw, geometry, workers)
    positions, rows = height * width, dw.size // O
    block = column_block(rows)
    segments = max(1, min(MOST_ITEMS // (geometry.group * blocks_of(rows, block)), positions * N // LEAST_COLUMNS))
    segment = blocks_of(positions, segments)
    parts = _segments(dw, blocks_of(positions, segment))
    return _summed(
        launch("conv2d_weight_gradient_direct", x, dy, parts, geometry=geometry, block=block, segment=segment), parts, dw
    )


def _weight_gradient_by_phases(x: Operand, dy: Operand, dw: Operand, geometry: Geometry, workers: int) -> Plan:
    dealt = phases.dealt_image(x, dy, geometry, Workspace())
    gradient = phases.dealt_weights(dw, geometry, Workspace(dealt.bytes))
    made = _weight_gradient_by_tiles(dealt, dy, gradient, phases.of_phases(geometry), workers, dealt.bytes + gradient.bytes)
    deal = launch("deal_image", x, dealt, stride=geometry.stride, pad=geometry.pad)
    join = launch("join_weights", gradient, dw, stride=geometry.stride)
    return Plan((deal, *made.launches, join), made.workspace)


def _weight_gradient_by_tiles(x: Operand, dy: Operand, dw: Operand, geometry: Geometry, workers: int, offset: int = 0) -> Plan:
    M, channels, tiled = dw.shape[0] // geometry.group, dw.shape[1], tiles.tiles_of(dy.shape[1], dy.shape[2], geometry.kernel[0])
    rows = tiles_gradient.even_block(M, tiles_gradient.MOST_ROWS, HEIGHT)
    block = tiles_gradient.even_block(channels, tiles_gradient.MOST_COLUMNS, LANES)
    items = geometry.group * blocks_of(M, rows) * blocks_of(channels, block)
    segments = max(1, min(MOST_ITEMS // items, tiled * dy.shape[3] // tiles_gradient.LEAST_COLUMNS))
    segment = blocks_of(tiled, segments)
    parts = _segments(dw, blocks_of(tiled, segment), offset)
    if workers > FEW_WORKERS:  # as many segments, which are what decides in which order is summed
        rows, block = _even_parts(M, channels, rows, block, geometry.group * blocks_of(tiled, segment), workers)
    sizes = {"rows": rows, "block": block, "segment": segment}
    return _summed(launch("conv2d_weight_gradient_tiles", x, dy, parts, geometry=geometry, **sizes), parts, dw, offset)


def _even_parts(M: int, channels: int, rows: int, block: int, times: int, workers: int) -> tuple[int, int]:
    """The largest outputs and channels of an item, at most these, that keep the workers busy.  times: groups x segments."""

    def merit(parts: tuple[int, int]) -> tuple[float, int]:
        items = times * blocks_of(M, parts[0]) * blocks_of(channels, parts[1])
        return min(busy(items, workers), BUSY), parts[0] * parts[1]

    smaller = range(min(rows, 3 * HEIGHT), rows + 1, HEIGHT), range(min(block, PANEL), block + 1, LANES)
    return max(itertools.product(*smaller), key=merit)


def _segments(dw: Operand, segments: int, offset: int = 0) -> Operand:
    """Room for the gradients of several segments of positions, or of all.  offset: where it begins in the workspace."""
    return dw if segments == 1 else Operand((segments * dw.shape[0], *dw.shape[1:]), pointer=Workspace(offset))


def _summed(product: Launch, parts: Operand, dw: Operand, offset: int = 0) -> Plan:
    """The gradients of all segments, added in order."""
    return Plan((product,), offset) if parts is dw else Plan((product, launch("sum_segments", parts, dw)), offset + parts.bytes)


@plans(flops=lambda dy, w, dx, **constants: depthwise_flops(Geometry(**constants), w, dy))
def conv2d_input_gradient(dy: Operand, w: Operand, dx: Operand, workers: int = 1, **constants: Pair | int) -> Launch | Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise(geometry, w):
        rows = depthwise.input_rows(dx, geometry)
        return launch("conv2d_input_gradient_depthwise", dy, w, dx, geometry=geometry, rows=rows)
    (O, height, width, N), per_group, group = dy.shape, w.shape[1], geometry.group
    few_outputs = O // group < 2 * per_group  # as a convolution of dy the copies grow with the outputs, by col2im with the inputs
    by_tiles = tiles.pays(geometry, O // group, per_group, (dx.shape[1], dx.shape[2]), N, positions=height * width)
    if geometry.stride == (1, 1) and (few_outputs or by_tiles or is_pointwise(geometry)):
        return _as_convolution(dy, w, dx, geometry, workers)
    dealt = phases.dealt_image(dx, dy, geometry, Workspace())
    if _phases_pay(geometry, O // group, dealt.shape[0] // group, dealt.shape[1:3], dy):
        return _input_gradient_by_phases(dy, w, dx, dealt, geometry, workers)
    run, block = product_run(height * width, N), min(per_group, blocks_of(GRADIENT_ROWS, geometry.kernel[0] * geometry.kernel[1]))
    across = Operand((per_group * group, O // group, *geometry.kernel), pointer=Workspace())
    transpose = launch("transpose_weights", w, across, group=group)
    product = launch("conv2d_input_gradient_direct", dy, across, dx, geometry=geometry, run=run, block=block)
    return Plan((transpose, product), workspace=across.bytes)


@plans(flops=0)
def im2col(x: Operand, y: Operand, **window: Pair) -> Launch:
    return launch("im2col_rows", x, y, **window)


@plans(flops=1)
def col2im(dy: Operand, dx: Operand, **window: Pair) -> Launch:
    return launch("col2im_rows", dy, dx, **window)


def _input_gradient_by_phases(dy: Operand, w: Operand, dx: Operand, dealt: Operand, geometry: Geometry, workers: int) -> Plan:
    """dealt: the gradient of the phases."""
    weights = phases.dealt_weights(w, geometry, Workspace(dealt.bytes))
    made = _as_convolution(dy, weights, dealt, phases.of_phases(geometry), workers, dealt.bytes + weights.bytes)
    deal = launch("deal_weights", w, weights, stride=geometry.stride)
    join = launch("join_image", dealt, dx, stride=geometry.stride, pad=geometry.pad)
    return Plan((deal, *made.launches, join), made.workspace)


def _as_convolution(dy: Operand, w: Operand, dx: Operand, geometry: Geometry, workers: int, offset: int = 0) -> Plan:
    """Of windows that move by 1: the convolution of dy with flipped weights, padded so that it is as large as dx."""
    O, per_group, *kernel = w.shape
    flipped = Operand((per_group * geometry.group, O // geometry.group, *kernel), pointer=Workspace(offset))
    height, width = (d * (k - 1) - p for d, k, p in zip(geometry.dilation, geometry.kernel, geometry.pad, strict=True))
    full = geometry._replace(pad=(height, width))
    flip = (
        launch("transpose_weights", w, flipped, group=geometry.group)
        if is_pointwise(geometry)
        else launch("flip_weights", w, flipped, group=geometry.group)
    )
    no_bias = replace(flipped, shape=(flipped.size,))
    made = _by_tiles(dy, flipped, no_bias, dx, full, Epilogue(), workers, offset + flipped.bytes)
    made = made or _by_windows(dy, flipped, no_bias, dx, dx, full, Epilogue(), offset + flipped.bytes)
    return replace(made, launches=(flip, *made.launches))
