"""The weight gradient of a convolution by tiles: the transpose of runtime/ops/convolution/winograd.py, for windows of 3 x 3.

What a tile's terms are made of is what its gradients are spread to, and what weights are transformed by is what the sums over all
tiles are transformed by.  Along one axis

    dm0 = dy0   dm1 = dy0 + dy1   dm2 = dy0 - dy1   dm3 = -dy1
    dw0 = s0 + (s1 + s2) / 2   dw1 = (s1 - s2) / 2   dw2 = (s1 + s2) / 2 + s3

where s is the sum over tiles and batch of dm times the pair's inputs: along both axes 16 matrix products, of the spread gradients
(outputs, tiles x batch) and the transformed inputs (channels, tiles x batch).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.convolution.geometry import Geometry
from runtime.ops.convolution.winograd import HALF, TERMS, order_of, pays, rows_size, tiles_of, transform_inputs

KERNEL = (3, 3)
CHANNELS = 64  # of one item: each item spreads the gradients again, and several items keep several workers busy


def gradient_pays(geometry: Geometry, channels: int, N: int) -> bool:
    """Whether the weight gradient of so many channels in a group and images is faster by tiles."""
    return geometry.kernel == KERNEL and channels >= CHANNELS and pays(geometry, channels, N)


def channel_block(channels: int) -> int:
    """How many of a group's channels an item takes."""
    return -(-channels // max(2, channels // CHANNELS))


def gradient_scratch(M: int, block: int, width: int, run: int, N: int) -> int:
    """Floats that `conv2d_weight_gradient_winograd` needs for M outputs of a group; width: of the output."""
    return TERMS * (2 * M * block + (M + block) * run * N) + rows_size(KERNEL, width, N)


def _scratch(x, dy, dw, geometry, run, block):
    return gradient_scratch(dw.shape[0] // geometry.group, block, dy.shape[2], run, x.shape[3])


@kernel(items=lambda x, dy, dw, geometry, run, block: geometry.group * -(-dw.shape[1] // block), scratch=_scratch)
def conv2d_weight_gradient_winograd(begin, end, x, dy, dw, scratch, geometry, run, block):
    """What `conv2d_weight_gradient_direct` computes.  Item: a block of a group's channels."""
    (C, _, _, N), (O, OH, OW, _) = x.shape, dy.shape
    group, pad = geometry.group, geometry.pad
    channels, M, tiles = C // group, O // group, tiles_of(OH, OW)
    blocks, positions = -(-channels // block), order_of(KERNEL)[0]
    scratch, rows = np.split(scratch, [scratch.size - rows_size(KERNEL, OW, N)])
    rows = rows.reshape(8, -1)
    for item in range(begin, end):
        g, c0 = item // blocks, item % blocks * block
        c1 = min(c0 + block, channels)
        width, outputs = c1 - c0, slice(g * M, (g + 1) * M)
        size = TERMS * M * width
        total, more = (scratch[i * size : (i + 1) * size].reshape(TERMS, M, width) for i in range(2))
        space = scratch[2 * size :]
        for tile0 in range(0, tiles, run):
            tile1 = min(tile0 + run, tiles)
            columns = (tile1 - tile0) * N
            inputs = space[: TERMS * width * columns].reshape(TERMS, width, columns)
            spread = space[inputs.size : inputs.size + TERMS * M * columns].reshape(TERMS, M, columns)
            transform_inputs(x[g * channels + c0 : g * channels + c1], inputs, rows, pad, positions, tile0, tile1, -(-OW // 2))
            spread_gradients(dy[outputs], spread, rows, tile0, tile1)
            np.matmul(spread, inputs.transpose(0, 2, 1), out=more if tile0 else total)
            if tile0:
                total += more
        transform_sums(total, dw[outputs, c0:c1])


@jit
def spread_gradients(dy, out, rows, tile0, tile1):
    """out (16, O, (tile1 - tile0) * N): the gradients of the terms of the tiles [tile0, tile1) of dy (O, OH, OW, N).

    rows (8, at least a row of tiles): scratch.
    """
    O, OH, OW, N = dy.shape
    tile_columns = (OW + 1) // 2
    zeros = rows[7]
    zeros[:] = 0
    for o in range(O):
        tile = tile0
        while tile < tile1:
            i, j = tile // tile_columns, tile % tile_columns
            count = min(tile_columns - j, tile1 - tile)
            start, size = 2 * j * N, min(2 * count, OW - 2 * j) * N
            upper = dy[o, 2 * i].reshape(-1)[start : start + size]
            lower = dy[o, 2 * i + 1].reshape(-1)[start : start + size] if 2 * i + 1 < OH else zeros
            rows[:4, size : 2 * count * N] = 0
            spread(upper, lower, rows[0], rows[1], rows[2], rows[3], size)
            for k in range(4):
                spread_along(rows[k], out[4 * k : 4 * k + 4, o], count, (tile - tile0) * N, N)
            tile += count


@jit
def spread_along(row, out, count, start, N):
    """out (4, columns), from column `start` on: the gradients of `count` tiles' terms along a row."""
    out0, out1, out2, out3 = out[0], out[1], out[2], out[3]
    for tile in range(count):
        to, at = start + tile * N, 2 * tile * N
        left, right = row[at : at + N], row[at + N : at + 2 * N]
        spread(left, right, out0[to : to + N], out1[to : to + N], out2[to : to + N], out3[to : to + N], N)


@njit(inline="always")
def spread(first, second, out0, out1, out2, out3, n):
    """The gradients of the four terms, n times."""
    for i in range(n):
        a, b = first[i], second[i]
        out0[i] = a
        out1[i] = a + b
        out2[i] = a - b
        out3[i] = -b


@jit
def transform_sums(sums, dw):
    """dw (O, C, 3, 3) from sums (16, O, C)."""
    O, C = dw.shape[:2]
    for o in range(O):
        for j in range(3):
            for c in range(C):
                s0, s1 = along_sums(sums, 0, o, c, j), along_sums(sums, 4, o, c, j)
                s2, s3 = along_sums(sums, 8, o, c, j), along_sums(sums, 12, o, c, j)
                both = HALF * (s1 + s2)
                dw[o, c, 0, j] = s0 + both
                dw[o, c, 1, j] = HALF * (s1 - s2)
                dw[o, c, 2, j] = both + s3


@njit(inline="always")
def along_sums(sums, k, o, c, j):
    """Weight j of a row of sums, k ... k + 3."""
    if j == 0:
        return sums[k, o, c] + HALF * (sums[k + 1, o, c] + sums[k + 2, o, c])
    if j == 1:
        return HALF * (sums[k + 1, o, c] - sums[k + 2, o, c])
    return HALF * (sums[k + 1, o, c] + sums[k + 2, o, c]) + sums[k + 3, o, c]
