"""Plans of a convolution on the CPU: groups of one channel by sums, small windows that move by 1 by tiles, else im2col and GEMM."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.product import HEIGHT, PANEL
from runtime.kernels.cpu.registry import Launch, Plan, launch, plans
from runtime.kernels.operand import Operand, Workspace
from runtime.ops.convolution import depthwise, winograd, winograd_gradient
from runtime.ops.convolution.direct import blocks_of, column_block, runs_of
from runtime.ops.convolution.geometry import Geometry, Pair, depthwise_flops, is_depthwise, is_pointwise, position_run

COLUMNS = 10 * PANEL  # output positions x batch in one product: what is packed of the windows stays in the caches
TILE_COLUMNS = 448  # tiles x batch: what they are transformed to stays in the caches
GRADIENT_ROWS = 128  # of the windows' matrix in one item of the input gradient by col2im
FEWEST_ROWS = 32  # outputs of one item: each packs the inputs again
LEAST_COLUMNS = 2048  # positions x batch of one segment of the weights' gradient
FEWEST_ITEMS, MOST_ITEMS = 8, 16  # to keep several workers busy


def conv2d_flops(
    x: Operand, w: Operand, b: Operand, y: Operand, has_bias: bool, relu: bool, slope: float, **constants: Pair | int
) -> int:
    """Of the epilogue, and of a depthwise convolution, as no matrix product counts those."""
    return (has_bias + relu) * y.size + depthwise_flops(Geometry(**constants), w, y)  # type: ignore[arg-type]


@plans(flops=conv2d_flops)
def conv2d(
    x: Operand, w: Operand, b: Operand, y: Operand, has_bias: bool, relu: bool, slope: float, **constants: Pair | int
) -> Launch:
    geometry, epilogue = Geometry(**constants), Epilogue(has_bias, relu, float(slope))  # type: ignore[arg-type]
    b = replace(b, shape=(b.size,))  # where there is no bias, it is the weights: one shape, one kernel to compile
    if is_depthwise(geometry, w):
        rows = depthwise.output_rows(y, geometry)
        return launch("conv2d_depthwise", x, w, b, y, geometry=geometry, epilogue=epilogue, rows=rows)
    return _convolution(x, w, b, y, geometry, epilogue)


def _convolution(x: Operand, w: Operand, b: Operand, y: Operand, geometry: Geometry, epilogue: Epilogue) -> Launch:
    (_, height, width, N), channels = y.shape, w.shape[1]
    if winograd.pays(geometry, channels, N):
        run = position_run(winograd.tiles_of(height, width), N, TILE_COLUMNS)
        return launch("conv2d_winograd", x, w, b, y, geometry=geometry, epilogue=epilogue, run=run)
    run, block = product_run(height * width, N), output_block(y, N, geometry.group)
    return launch("conv2d_direct", x, w, b, y, geometry=geometry, epilogue=epilogue, run=run, block=block)


def product_run(positions: int, N: int) -> int:
    """How many output positions one product takes: about COLUMNS columns, whole tiles if these are many."""
    run, unit = position_run(positions, N, COLUMNS), PANEL // gcd(N, PANEL)
    return run if 2 * unit * N > COLUMNS else min(positions, blocks_of(run, unit) * unit)


def output_block(y: Operand, N: int, group: int) -> int:
    """How many outputs of a group one item takes: all, where positions alone make items enough."""
    items, M = group * runs_of(y, product_run(y.shape[1] * y.shape[2], N)), y.shape[0] // group
    blocks = max(1, min(blocks_of(FEWEST_ITEMS, items), M // FEWEST_ROWS))
    return blocks_of(blocks_of(M, blocks), HEIGHT) * HEIGHT


@plans(flops=lambda x, dy, dw, **constants: depthwise_flops(Geometry(**constants), dw, dy))
def conv2d_weight_gradient(x: Operand, dy: Operand, dw: Operand, **constants: Pair | int) -> Launch | Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise(geometry, dw):
        rows = depthwise.output_rows(dy, geometry)
        return launch("conv2d_weight_gradient_depthwise", x, dy, dw, geometry=geometry, rows=rows)
    (_, height, width, N), channels = dy.shape, dw.shape[1]
    if winograd_gradient.gradient_pays(geometry, channels, N):
        run = position_run(winograd.tiles_of(height, width), N, TILE_COLUMNS)
        block = winograd_gradient.channel_block(channels)
        return launch("conv2d_weight_gradient_winograd", x, dy, dw, geometry=geometry, run=run, block=block)
    return _weight_gradient(x, dy, dw, geometry)


def _weight_gradient(x: Operand, dy: Operand, dw: Operand, geometry: Geometry) -> Launch | Plan:
    """By products over all positions, or where these have few columns over segments of them."""
    positions, rows = dy.shape[1] * dy.shape[2], dw.size // dw.shape[0]
    block = column_block(rows)
    segments = max(1, min(MOST_ITEMS // (geometry.group * blocks_of(rows, block)), positions * dy.shape[3] // LEAST_COLUMNS))
    segment = blocks_of(positions, segments)
    segments = blocks_of(positions, segment)
    parts = dw if segments == 1 else Operand((segments * dw.shape[0], *dw.shape[1:]), pointer=Workspace())
    product = launch("conv2d_weight_gradient_direct", x, dy, parts, geometry=geometry, block=block, segment=segment)
    return product if segments == 1 else Plan((product, launch("sum_segments", parts, dw)), workspace=parts.bytes)


@plans(flops=lambda dy, w, dx, **constants: depthwise_flops(Geometry(**constants), w, dy))
def conv2d_input_gradient(dy: Operand, w: Operand, dx: Operand, **constants: Pair | int) -> Launch | Plan:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise(geometry, w):
        rows = depthwise.input_rows(dx, geometry)
        return launch("conv2d_input_gradient_depthwise", dy, w, dx, geometry=geometry, rows=rows)
    (O, height, width, N), per_group, group = dy.shape, w.shape[1], geometry.group
    few_outputs = O // group < 2 * per_group  # as a convolution of dy the copies grow with the outputs, by col2im with the inputs
    tiles = winograd.tiles_of(*dx.shape[1:3])
    by_tiles = winograd.pays(geometry, O // group, N) and winograd.saves(geometry.kernel, tiles, height * width)
    if geometry.stride == (1, 1) and (few_outputs or by_tiles or is_pointwise(geometry)):
        return _as_convolution(dy, w, dx, geometry)
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


def _as_convolution(dy: Operand, w: Operand, dx: Operand, geometry: Geometry) -> Plan:
    """Of windows that move by 1: the convolution of dy with flipped weights, padded so that it is as large as dx."""
    O, per_group, *kernel = w.shape
    flipped = Operand((per_group * geometry.group, O // geometry.group, *kernel), pointer=Workspace())
    height, width = (d * (k - 1) - p for d, k, p in zip(geometry.dilation, geometry.kernel, geometry.pad, strict=True))
    full = geometry._replace(pad=(height, width))
    flip = (
        launch("transpose_weights", w, flipped, group=geometry.group)
        if is_pointwise(geometry)
        else launch("flip_weights", w, flipped, group=geometry.group)
    )
    return Plan(
        (flip, _convolution(dy, flipped, replace(flipped, shape=(flipped.size,)), dx, full, Epilogue())), workspace=flipped.bytes
    )
