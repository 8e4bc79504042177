"""Launches of pooling.cu.  Blobs are (C, H, W, N)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, stored, width
from runtime.kernels.cuda.occupancy import blocks_at_once
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Launch, Plan, narrows, plans
from runtime.kernels.operand import Operand, Pointer, Workspace
from runtime.ops.masked.cuda import summed
from runtime.ops.pooling import unpooling_cuda as _unpooling  # noqa: F401 - registers its plans

FILE = "pooling.cu"
TYPES = {"uint8": "unsigned char", "uint16": "unsigned short"}
Pair = tuple[int, int]
WAVES = 2  # of blocks; a thread takes two rows where there are as many even so


def pool(
    function: str, arrays: tuple[Operand, ...], over: Operand, geometry: tuple[Pair, ...], *extents: int,
    argmax: Operand | None = None, target: Target | None = None,
) -> Launch:  # fmt: skip
    """A thread for every pack of images at each position of `over`'s channels, or at two of them, one below the other.

    Parameters
    ----------
    geometry: kernel, stride and pad, compiled in.
    extents: the kernel's int parameters after C and before `packs`.
    argmax: the array of indices, whose type is compiled in.
    target: the card, of kernels that may take two rows.
    """
    C, height, across, N = over.shape
    wide = width(*arrays, run=N)
    packs = elements(height, across, N // wide)
    constants = [wide, *([TYPES[argmax.dtype]] if argmax else []), *(number for pair in geometry for number in pair)]
    if target is not None:
        two = two_rows(name(function, *constants, 2), over, blocks(packs) * C, geometry, target)
        constants.append(2 if two else 1)
        packs = -(-height // 2) * across * (N // wide) if two else packs
    constants += stored(*(array for array in arrays if array is not argmax))
    pointers: tuple[Pointer, ...] = tuple(range(len(arrays)))
    grid = (blocks(packs), rows(C), 1)
    return Launch(FILE, name(function, *constants), grid, (THREADS, 1, 1), pointers, ints(C, *extents, N // wide))


def two_rows(function: str, over: Operand, single: int, geometry: tuple[Pair, ...], target: Target) -> bool:
    """Whether a thread takes two rows: their windows have rows in common, and half of `single` blocks are waves enough."""
    (kernel, _), (stride, _), _ = geometry
    slots = target.multiprocessors * blocks_at_once(function, THREADS, target)
    return kernel > stride and over.shape[1] > 1 and single >= 2 * WAVES * slots


@plans
def pool_max_forward(x: Operand, y: Operand, argmax: Operand, kernel: Pair, stride: Pair, pad: Pair, target: Target) -> Launch:
    extents = (*x.shape[1:3], *y.shape[1:3])
    return pool("pool_max_forward", (x, y, argmax), y, (kernel, stride, pad), *extents, argmax=argmax, target=target)


@plans
def pool_max_backward(dy: Operand, argmax: Operand, dx: Operand, kernel: Pair, stride: Pair, pad: Pair, target: Target) -> Launch:
    extents = (*dx.shape[1:3], *dy.shape[1:3])
    return pool("pool_max_backward", (dy, argmax, dx), dx, (kernel, stride, pad), *extents, argmax=argmax, target=target)


@plans
def pool_max_backward_relu(
    dy: Operand, argmax: Operand, y: Operand, dx: Operand, kernel: Pair, stride: Pair, pad: Pair, slope: float, target: Target
) -> Launch:
    extents, arrays = (*dx.shape[1:3], *dy.shape[1:3]), (dy, argmax, y, dx)
    made = pool("pool_max_backward_relu", arrays, dx, (kernel, stride, pad), *extents, argmax=argmax, target=target)
    return replace(made, scalars=(*made.scalars, np.float32(slope)))


@plans
def pool_max_backward_relu_bias(
    dy: Operand, argmax: Operand, y: Operand, dx: Operand, db: Operand, kernel: Pair, stride: Pair, pad: Pair, slope: float,
    target: Target,
) -> Plan:  # fmt: skip
    extents, arrays = (*dx.shape[1:3], *dy.shape[1:3]), (dy, argmax, y, dx)
    made = pool("pool_max_backward_relu_bias", arrays, dx, (kernel, stride, pad), *extents, argmax=argmax, target=target)
    work = sum(array.bytes for array in arrays), 3 * dx.size
    made = replace(made, pointers=(0, 1, 2, 3, Workspace()), scalars=(*made.scalars, np.float32(slope)), work=work)
    return summed(made, db, 4)


@plans
def pool_positions(argmax: Operand, positions: Operand, size: Pair, kernel: Pair, stride: Pair, pad: Pair) -> Launch:
    made = pool("pool_positions", (argmax, positions), positions, (kernel, stride, pad), *argmax.shape[1:3], argmax=argmax)
    return replace(made, scalars=(*made.scalars, *ints(*size)))


@plans
def pool_ave_forward(x: Operand, y: Operand, kernel: Pair, stride: Pair, pad: Pair, target: Target) -> Launch:
    return pool("pool_ave_forward", (x, y), y, (kernel, stride, pad), *x.shape[1:3], *y.shape[1:3], target=target)


@plans
def pool_ave_backward(dy: Operand, dx: Operand, kernel: Pair, stride: Pair, pad: Pair, target: Target) -> Launch:
    return pool("pool_ave_backward", (dy, dx), dx, (kernel, stride, pad), *dx.shape[1:3], *dy.shape[1:3], target=target)


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
narrows("pool_max_backward_relu", 0, 2, 3)
narrows("pool_max_backward_relu_bias", 0, 2, 3)
narrows("pool_ave_forward", 0, 1)
narrows("pool_ave_backward", 0, 1)
