"""Plans of a convolution on the CPU: groups of one channel by sums, small windows that move by 1 by tiles, else im2col and GEMM."""

from __future__ import annotations

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.registry import Launch, Plan, launch, plans
from runtime.kernels.operand import Operand, Workspace
from runtime.ops.convolution import depthwise, winograd, winograd_gradient
from runtime.ops.convolution.direct import row_block
from runtime.ops.convolution.geometry import Geometry, Pair, depthwise_flops, is_depthwise, position_run

FORWARD_COLUMNS = 512  # output positions x batch in one product: its im2col matrix and result stay in the caches
TILE_COLUMNS = 448  # tiles x batch: what they are transformed to stays in the caches
BACKWARD_COLUMNS = 2048  # more than forward: after each run the weights' gradient is added up
CHANNEL_BLOCK = 16  # input channels of one item of the input gradient by col2im


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
    if is_depthwise(geometry, w):
        rows = depthwise.output_rows(y, geometry)
        return launch("conv2d_depthwise", x, w, b, y, geometry=geometry, epilogue=epilogue, rows=rows)
    return _convolution(x, w, b, y, geometry, epilogue)


def _convolution(x: Operand, w: Operand, b: Operand, y: Operand, geometry: Geometry, epilogue: Epilogue) -> Launch:
    (_, height, width, N), channels = y.shape, w.shape[1]
    if winograd.pays(geometry, channels, N):
        run = position_run(winograd.tiles_of(height, width), N, TILE_COLUMNS)
        return launch("conv2d_winograd", x, w, b, y, geometry=geometry, epilogue=epilogue, run=run)
    run = position_run(height * width, N, FORWARD_COLUMNS)
    return launch("conv2d_direct", x, w, b, y, geometry=geometry, epilogue=epilogue, run=run)


@plans(flops=lambda x, dy, dw, **constants: depthwise_flops(Geometry(**constants), dw, dy))
def conv2d_weight_gradient(x: Operand, dy: Operand, dw: Operand, **constants: Pair | int) -> Launch:
    geometry = Geometry(**constants)  # type: ignore[arg-type]
    if is_depthwise(geometry, dw):
        rows = depthwise.output_rows(dy, geometry)
        return launch("conv2d_weight_gradient_depthwise", x, dy, dw, geometry=geometry, rows=rows)
    (_, height, width, N), channels = dy.shape, dw.shape[1]
    if winograd_gradient.gradient_pays(geometry, channels, N):
        run = position_run(winograd.tiles_of(height, width), N, TILE_COLUMNS)
        block = winograd_gradient.channel_block(channels)
        return launch("conv2d_weight_gradient_winograd", x, dy, dw, geometry=geometry, run=run, block=block)
    run, block = position_run(height * width, N, BACKWARD_COLUMNS), row_block(dw.size // dw.shape[0], geometry.group)
    return launch("conv2d_weight_gradient_direct", x, dy, dw, geometry=geometry, run=run, block=block)


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
    if geometry.stride == (1, 1) and (few_outputs or by_tiles):
        return _as_convolution(dy, w, dx, geometry)
    run, block = position_run(height * width, N, BACKWARD_COLUMNS), min(CHANNEL_BLOCK, per_group)
    return launch("conv2d_input_gradient_direct", dy, w, dx, geometry=geometry, run=run, block=block)


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
    flip = launch("flip_weights", w, flipped, group=geometry.group)
    return Plan((flip, _convolution(dy, flipped, flipped, dx, full, Epilogue())), workspace=flipped.bytes)
