"""Launches of depthwise.cu."""

from __future__ import annotations

from math import prod

import numpy as np

from runtime.ir.program import ITEM_BYTES
from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, stored, table, width
from runtime.kernels.cuda.registry import Launch, Plan
from runtime.kernels.operand import Operand, Workspace
from runtime.ops.convolution.geometry import Geometry

FILE = "depthwise.cu"
TURNS = 16  # packs of a thread that are added up as float32
WARP = 32  # threads of the smallest block that sums up
DOUBLE = 8  # bytes


class Meetings:
    """What windows and an image of x (C, H, W, N) see of each other; y (O, OH, OW, N) is their result.

    Attributes
    ----------
    seen: how many pixels any window sees.
    seeing: how many windows see any pixel.
    weights: how many weights of a window meet a pixel anywhere.
    """

    def __init__(self, x: Operand, y: Operand, geometry: Geometry):
        kernel, stride, pad, dilation, _ = geometry
        axes = [
            [
                (at, window, i)
                for window in range(y.shape[axis + 1])
                for i in range(kernel[axis])
                for at in [window * stride[axis] - pad[axis] + i * dilation[axis]]
                if 0 <= at < x.shape[axis + 1]
            ]
            for axis in (0, 1)
        ]
        self.seen, self.seeing, self.weights = (prod(len({met[which] for met in axis}) for axis in axes) for which in range(3))


def constants(geometry: Geometry) -> tuple[int, ...]:
    """The window, as the kernels have it compiled in."""
    return *geometry.kernel, *geometry.stride, *geometry.pad, *geometry.dilation


def forward(x: Operand, w: Operand, b: Operand, y: Operand, geometry: Geometry, has_bias: bool, relu: bool, slope: float) -> Launch:
    """A thread for every pack of images at each position of y's channels."""
    (C, H, W, N), (O, OH, OW, _) = x.shape, y.shape
    wide = width(x, y, run=N)
    outputs = elements(OH, OW, N // wide)
    read = ITEM_BYTES[x.dtype] * C * Meetings(x, y, geometry).seen * N + w.bytes + 4 * O * has_bias
    work = read + y.bytes, (2 * prod(geometry.kernel) + has_bias + relu) * y.size
    function = name("depthwise_forward", wide, *constants(geometry), has_bias, relu, *stored(x, y))
    scalars = *ints(O, O // C, H, W, OW, N // wide, outputs), np.float32(slope)
    return Launch(FILE, function, *table(O, outputs), (0, 1, 2, 3), scalars, work)


def input_gradient(dy: Operand, w: Operand, dx: Operand, geometry: Geometry) -> Launch:
    """A thread for every pack of images at each position of dx's channels."""
    (C, H, W, N), (O, OH, OW, _) = dx.shape, dy.shape
    wide = width(dy, dx, run=N)
    inputs, met = elements(H, W, N // wide), Meetings(dx, dy, geometry)
    read = O * (ITEM_BYTES[dy.dtype] * met.seeing * N + 4 * met.weights)
    work = read + dx.bytes, 2 * prod(geometry.kernel) * dy.size
    function = name("depthwise_input_gradient", wide, *constants(geometry), *stored(dy, dx))
    scalars = ints(C, O // C, W, OH, OW, N // wide, inputs)
    return Launch(FILE, function, *table(C, inputs), (0, 1, 2), scalars, work)


def weight_gradient(x: Operand, dy: Operand, dw: Operand, geometry: Geometry) -> Plan:
    """Terms of runs of each row of weights, then their sums."""
    (C, H, W, N), (O, OH, OW, _), (kh, kw) = x.shape, dy.shape, geometry.kernel
    wide, terms = width(x, dy, run=N), Workspace()
    outputs = elements(OH, OW, N // wide)
    threads = min(THREADS, max(WARP, 1 << (outputs - 1).bit_length()))
    runs = blocks(outputs, threads * TURNS)
    size = DOUBLE * dw.size * runs
    read = ITEM_BYTES[x.dtype] * C * Meetings(x, dy, geometry).seen * N + dy.bytes
    work = read + size, 2 * kh * kw * dy.size
    function = name("depthwise_weight_terms", wide, threads, TURNS, *constants(geometry), *stored(x, dy))
    scalars = ints(O * kh, O // C, H, W, OW, N // wide, outputs)
    first = Launch(FILE, function, (runs, rows(O * kh), 1), (threads, 1, 1), (0, 1, terms), scalars, work)
    grid, summed = (blocks(dw.size), 1, 1), (size + dw.bytes, dw.size * runs)
    last = Launch(FILE, name("depthwise_weight_sums", kw), grid, (THREADS, 1, 1), (terms, 2), ints(runs, dw.size), summed)
    return Plan((first, last), size)
