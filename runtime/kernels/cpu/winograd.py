"""Convolution by windows of 3 x 3 that move by 1, with 4 of 9 multiplications (Winograd 1980; Lavin & Gray 2016, F(2 x 2, 3 x 3)).

A tile is 2 x 2 outputs; it depends on 4 x 4 inputs, d, two of whose columns and rows the next tile has too.  With

    B^T = 1  0 -1  0     G = 1    0   0       A^T = 1  1  1  0
          0  1  1  0         1/2  1/2 1/2           0  1 -1 -1
          0 -1  1  0         1/2 -1/2 1/2
          0  1  0 -1         0    0   1

the outputs are A^T (sum over the channels of (G w G^T) * (B^T d B)) A, * element by element: for each of the 16 elements one matrix
product, of the weights (outputs, channels) and the tiles (channels, tiles x batch).  The constants are powers of two: whatever is
whole stays exact, and rounding is that of the direct sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from runtime.kernels.cpu.bias_relu import bias_relu_row
from runtime.kernels.cpu.jit import JIT
from runtime.kernels.cpu.product_cuts import product_cuts

HALF = np.float32(0.5)
FREQUENCIES = 16  # elements of a tile, transformed
LEAST = 16  # channels and images; with fewer the transforms cost more than the products save


def pays(geometry: Any, channels: int, N: int) -> bool:
    """Whether a convolution of so many channels in a group and images is faster this way."""
    window = geometry["kernel"] == (3, 3) and geometry["stride"] == geometry["dilation"] == (1, 1)
    return window and channels >= LEAST and N >= LEAST


def tiles_of(height: int, width: int) -> int:
    """How many tiles cover an output."""
    return -(-height // 2) * -(-width // 2)


def winograd_scratch(O: int, C: int, width: int, run: int, N: int) -> int:
    """Floats that `winograd_conv2d` needs for O outputs and C channels of a group; width: of the output."""
    return FREQUENCIES * (O * C + (C + O) * run * N) + _rows(width, N)


def _rows(width: int, N: int) -> int:
    """Floats of four rows of inputs and one of zeros, as wide as all tiles."""
    return 5 * (2 * -(-width // 2) + 2) * N


def winograd_conv2d(begin, end, x, w, b, y, scratch, pad, group, run, parts, has_bias, relu, slope):
    """What `conv2d` computes.  Item: a run of tiles in a group."""
    (C, _, _, N), (O, OH, OW, _) = x.shape, y.shape
    M, channels, tiles = O // group, C // group, tiles_of(OH, OW)
    runs = -(-tiles // run)
    scratch, rows = np.split(scratch, [scratch.size - _rows(OW, N)])
    weights = scratch[: FREQUENCIES * M * channels].reshape(FREQUENCIES, M, channels)
    space, ready = scratch[weights.size :], -1
    for item in range(begin, end):
        g, tile0 = item // runs, item % runs * run
        tile1 = min(tile0 + run, tiles)
        columns = (tile1 - tile0) * N
        outputs = slice(g * M, (g + 1) * M)
        if g != ready:
            transform_weights(w[outputs], weights)
            ready = g
        inside = space[: FREQUENCIES * channels * columns].reshape(FREQUENCIES, channels, columns)
        result = space[inside.size : inside.size + FREQUENCIES * M * columns].reshape(FREQUENCIES, M, columns)
        transform_inputs(x[g * channels : (g + 1) * channels], inside, rows.reshape(5, -1), pad, -(-OW // 2), tile0, tile1)
        for cut in product_cuts(M, channels, columns, parts):
            np.matmul(weights[:, cut], inside, out=result[:, cut])
        bias = b[outputs] if has_bias else weights[0, 0]
        transform_results(result, y[outputs], rows, tile0, tile1, bias, has_bias, relu, slope)


@njit(**JIT)
def transform_weights(w, out):
    """out (16, O, C) = G w G^T for w (O, C, 3, 3)."""
    O, C = w.shape[:2]
    columns = np.empty((9, C), np.float32)
    for o in range(O):
        flat = w[o].reshape(-1)
        for k in range(9):
            column = columns[k]
            for c in range(C):
                column[c] = flat[9 * c + k]
        top, middle, bottom = columns[:3], columns[3:6], columns[6:]
        for j in range(4):
            out0, out1, out2, out3 = out[j, o], out[4 + j, o], out[8 + j, o], out[12 + j, o]
            for c in range(C):
                a, b, d = weight_row(top, j, c), weight_row(middle, j, c), weight_row(bottom, j, c)
                out0[c] = a
                out1[c] = HALF * (a + d + b)
                out2[c] = HALF * (a + d - b)
                out3[c] = d


@njit(inline="always")
def weight_row(row, j, c):
    """Element j of G times a row of three weights of channel c."""
    if j == 0:
        return row[0, c]
    if j == 1:
        return HALF * (row[0, c] + row[2, c] + row[1, c])
    if j == 2:
        return HALF * (row[0, c] + row[2, c] - row[1, c])
    return row[2, c]


@njit(**JIT)
def transform_inputs(x, out, rows, pad, tile_columns, tile0, tile1):
    """out (16, C, (tile1 - tile0) * N) = B^T d B for the tiles [tile0, tile1) of x (C, H, W, N); zero outside the image.

    rows (5, at least a row of tiles): scratch.
    """
    C, H, W, N = x.shape
    zeros = rows[4]
    zeros[:] = 0
    for c in range(C):
        tile = tile0
        while tile < tile1:
            i, j = tile // tile_columns, tile % tile_columns
            count = min(tile_columns - j, tile1 - tile)
            top, left, columns = 2 * i - pad[0], 2 * j - pad[1], 2 * count + 2
            low = min(max(-left, 0), columns)
            high = max(min(W - left, columns), low)
            span = slice((left + low) * N, (left + high) * N)
            down = rows[:4, : columns * N]
            down[:, : low * N] = 0
            down[:, high * N :] = 0
            a = x[c, top].reshape(-1)[span] if 0 <= top < H else zeros
            b = x[c, top + 1].reshape(-1)[span] if 0 <= top + 1 < H else zeros
            d = x[c, top + 2].reshape(-1)[span] if 0 <= top + 2 < H else zeros
            e = x[c, top + 3].reshape(-1)[span] if 0 <= top + 3 < H else zeros
            begin, end = low * N, high * N
            transform(a, b, d, e, down[0, begin:end], down[1, begin:end], down[2, begin:end], down[3, begin:end], end - begin)
            for k in range(4):
                first, second, third, fourth = out[4 * k, c], out[4 * k + 1, c], out[4 * k + 2, c], out[4 * k + 3, c]
                row = down[k]
                for t in range(count):
                    at, inside = (tile - tile0 + t) * N, 2 * t * N
                    transform(
                        row[inside : inside + N], row[inside + N : inside + 2 * N],
                        row[inside + 2 * N : inside + 3 * N], row[inside + 3 * N : inside + 4 * N],
                        first[at : at + N], second[at : at + N], third[at : at + N], fourth[at : at + N], N,
                    )  # fmt: skip
            tile += count


@njit(inline="always")
def transform(a, b, d, e, out0, out1, out2, out3, n):
    """B^T times n columns of four inputs."""
    for i in range(n):
        q, r = b[i], d[i]
        out0[i] = a[i] - r
        out1[i] = q + r
        out2[i] = r - q
        out3[i] = q - e[i]


@njit(**JIT)
def transform_results(result, y, rows, tile0, tile1, bias, has_bias, relu, slope):
    """y (O, OH, OW, N) = A^T result A for the tiles [tile0, tile1), plus bias (O,), then ReLU; result (16, O, tiles * N)."""
    O, OH, OW, N = y.shape
    tile_columns = (OW + 1) // 2
    sums = rows[: 8 * N].reshape(2, 4, N)
    for o in range(O):
        b = bias[o] if has_bias else np.float32(0)
        for tile in range(tile0, tile1):
            top, left, at = tile // tile_columns * 2, tile % tile_columns * 2, (tile - tile0) * N
            for j in range(4):
                p, q = result[j, o, at:], result[4 + j, o, at:]
                r, s = result[8 + j, o, at:], result[12 + j, o, at:]
                upper, lower = sums[0, j], sums[1, j]
                for n in range(N):
                    upper[n] = p[n] + (q[n] + r[n])
                    lower[n] = (q[n] - r[n]) - s[n]
            for i in range(min(2, OH - top)):
                p, q, r, s = sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3]
                out = y[o, top + i, left]
                for n in range(N):
                    out[n] = p[n] + (q[n] + r[n])
                bias_relu_row(out, b, relu, slope)
                if left + 1 < OW:
                    out = y[o, top + i, left + 1]
                    for n in range(N):
                        out[n] = (q[n] - r[n]) - s[n]
                    bias_relu_row(out, b, relu, slope)
