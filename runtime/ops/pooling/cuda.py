"""Launches of pooling.cu.  Blobs are (C, H, W, N)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, stored, width
from runtime.kernels.cuda.registry import Launch, narrows, plans
from runtime.kernels.operand import Operand, Pointer
from runtime.ops.pooling import unpooling_cuda as _unpooling  # noqa: F401 - registers its plans

FILE = "pooling.cu"
TYPES = {"uint8": "unsigned char", "uint16": "unsigned short"}
Pair = tuple[int, int]


def pool(
    function: str, arrays: tuple[Operand, ...], over: Operand, geometry: tuple[Pair, ...], *extents: int,
    argmax: Operand | None = None,
) -> Launch:  # fmt: skip
    """A thread for every pack of images at each position of `over`'s channels.

    Parameters
    ----------
    geometry: kernel, stride and pad, compiled in.
    extents: the kernel's int parameters after C and before `packs`.
    argmax: the array of indices, whose type is compiled in.
    """
    C, height, across, N = over.shape
    wide = width(*arrays, run=N)
    kind = [TYPES[argmax.dtype]] if argmax else []
    types = stored(*(array for array in arrays if array is not argmax))
    function = name(function, wide, *kind, *(number for pair in geometry for number in pair), *types)
    pointers: tuple[Pointer, ...] = tuple(range(len(arrays)))
    grid = (blocks(elements(height, across, N // wide)), rows(C), 1)
    return Launch(FILE, function, grid, (THREADS, 1, 1), pointers, ints(C, *extents, N // wide))


@plans
def pool_max_forward(x: Operand, y: Operand, argmax: Operand, kernel: Pair, stride: Pair, pad: Pair) -> Launch:
    extents = (*x.shape[1:3], *y.shape[1:3])
    return pool("pool_max_forward", (x, y, argmax), y, (kernel, stride, pad), *extents, argmax=argmax)


@plans
def pool_max_backward(dy: Operand, argmax: Operand, dx: Operand, kernel: Pair, stride: Pair, pad: Pair) -> Launch:
    extents = (*dx.shape[1:3], *dy.shape[1:3])
    return pool("pool_max_backward", (dy, argmax, dx), dx, (kernel, stride, pad), *extents, argmax=argmax)


@plans
def pool_positions(argmax: Operand, positions: Operand, size: Pair, kernel: Pair, stride: Pair, pad: Pair) -> Launch:
    made = pool("pool_positions", (argmax, positions), positions, (kernel, stride, pad), *argmax.shape[1:3], argmax=argmax)
    return replace(made, scalars=(*made.scalars, *ints(*size)))


@plans
def pool_ave_forward(x: Operand, y: Operand, kernel: Pair, stride: Pair, pad: Pair) -> Launch:
    return pool("pool_ave_forward", (x, y), y, (kernel, stride, pad), *x.shape[1:3], *y.shape[1:3])


@plans
def pool_ave_backward(dy: Operand, dx: Operand, kernel: Pair, stride: Pair, pad: Pair) -> Launch:
    return pool("pool_ave_backward", (dy, dx), dx, (kernel, stride, pad), *dx.shape[1:3], *dy.shape[1:3])


@plans
def pool_stochastic_forward(
    x: Operand, iteration: Operand, y: Operand, chosen: Operand, key: Pair, kernel: Pair, stride: Pair, pad: Pair
) -> Launch:
    extents, arrays = (*x.shape[1:3], *y.shape[1:3]), (x, y, chosen)
    made = pool("pool_stochastic_forward", arrays, y, (kernel, stride, pad), *extents, argmax=chosen)
    return replace(made, pointers=(0, 1, 2, 3), scalars=(*made.scalars, np.uint32(key[0]), np.uint32(key[1])))


@plans
def pool_weighted_forward(x: Operand, y: Operand, kernel: Pair, stride: Pair, pad: Pair) -> Launch:
    return pool("pool_weighted_forward", (x, y), y, (kernel, stride, pad), *x.shape[1:3], *y.shape[1:3])


narrows("pool_max_forward", 0, 1)
narrows("pool_max_backward", 0, 2)
narrows("pool_ave_forward", 0, 1)
narrows("pool_ave_backward", 0, 1)
