"""Convolution by windows of 3 x 3 or 5 x 5 that move by 1, with half of the multiplications or fewer.

A tile is 2 x 2 outputs.  Along one axis its two outputs of three weights are (Winograd 1980; Lavin & Gray 2016)

    y0 = m0 + m1 + m2   m0 = (x0 - x2) w0                      m2 = (x2 - x1) (w0 - w1 + w2) / 2
    y1 = m1 - m2 - m3   m1 = (x1 + x2) (w0 + w1 + w2) / 2      m3 = (x1 - x3) w2

and two more weights add to the same terms (the like with one point fewer):

    m0 += (x3 - x4) w3   m1 += x4 (w3 + w4)   m3 += (x4 - x5) w4

Along both axes there are 4 x 4 terms, made of 4 x 4 or 7 x 7 pairs of transformed inputs and weights.  Over all channels each term
is one matrix product, of weights (outputs, pairs x channels) and inputs (pairs x channels, tiles x batch): 16 multiplications
instead of 36 for a tile of 3 x 3 weights, 49 instead of 100 for 5 x 5.  The constants are powers of two: what is whole stays exact,
and rounding is of the size of the direct sum's: 0.6 to 1.6 times as much in AlexNet's layers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit

from runtime.kernels.cpu.bias_relu import bias_relu_row
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel as register
from runtime.ops.convolution.geometry import Geometry, Pair

HALF = np.float32(0.5)
TERMS = 16  # of a tile
TERM_OF = {3: (0, 1, 2, 3), 5: (0, 1, 2, 3, 0, 1, 3)}  # along an axis of so many weights: which term each pair adds to
LEAST = 16  # channels and images; with fewer the transforms cost more than the products save


def pays(geometry: Geometry, channels: int, N: int) -> bool:
    """Whether a convolution of so many channels in a group and images is faster this way."""
    window = set(geometry.kernel) <= set(TERM_OF) and geometry.stride == geometry.dilation == (1, 1)
    return window and channels >= LEAST and N >= LEAST


def saves(kernel: Pair, tiles: int, positions: int) -> bool:
    """Whether so many tiles take clearly fewer multiplications than so many windows; without padding they may not."""
    pairs = len(TERM_OF[kernel[0]]) * len(TERM_OF[kernel[1]])
    return 4 * pairs * tiles < 3 * kernel[0] * kernel[1] * positions


def tiles_of(height: int, width: int) -> int:
    """How many tiles cover an output."""
    return -(-height // 2) * -(-width // 2)


@cache
def order_of(kernel: Pair) -> tuple[np.ndarray, np.ndarray, tuple[slice, ...]]:
    """How pairs lie, those of one term together.

    Returns the position of each pair by its numbers down and along; for each position, the first one of its term and how many pairs
    the term has; and each term's positions.
    """
    down, along = TERM_OF[kernel[0]], TERM_OF[kernel[1]]
    positions = np.empty((len(down), len(along)), np.int64)
    spans = np.empty((positions.size, 2), np.int64)
    terms, first = [], 0
    for term in range(TERMS):
        pairs = [(i, j) for i, a in enumerate(down) for j, b in enumerate(along) if (a, b) == divmod(term, 4)]
        for position, pair in enumerate(pairs, start=first):
            positions[pair], spans[position] = position, (first, len(pairs))
        terms.append(slice(first, first + len(pairs)))
        first += len(pairs)
    return positions, spans, tuple(terms)


def winograd_scratch(O: int, C: int, kernel: Pair, width: int, run: int, N: int) -> int:
    """Floats that `conv2d_winograd` needs for O outputs and C channels of a group; width: of the output."""
    pairs = len(TERM_OF[kernel[0]]) * len(TERM_OF[kernel[1]])
    return pairs * C * (O + run * N) + TERMS * O * run * N + rows_size(kernel, width, N)


def rows_size(kernel: Pair, width: int, N: int) -> int:
    """Floats of seven rows of inputs and one of zeros, as wide as all tiles."""
    return 8 * (2 * -(-width // 2) + kernel[1] - 1) * N


def _scratch(x, w, b, y, geometry, epilogue, run):
    return winograd_scratch(w.shape[0] // geometry.group, w.shape[1], geometry.kernel, y.shape[2], run, x.shape[3])


@register(items=lambda x, w, b, y, geometry, epilogue, run: geometry.group * -(-tiles_of(*y.shape[1:3]) // run), scratch=_scratch)
def conv2d_winograd(begin, end, x, w, b, y, scratch, geometry, epilogue, run):
    """What `conv2d_direct` computes.  Item: a run of tiles in a group."""
    (C, _, _, N), (O, OH, OW, _) = x.shape, y.shape
    kernel, _, pad, _, group = geometry
    M, channels, tiles = O // group, C // group, tiles_of(OH, OW)
    runs = -(-tiles // run)
    positions, spans, terms = order_of(kernel)
    scratch, rows = np.split(scratch, [scratch.size - rows_size(kernel, OW, N)])
    weights, space = np.split(scratch, [positions.size * M * channels])
    ready = -1
    for item in range(begin, end):
        g, tile0 = item // runs, item % runs * run
        tile1 = min(tile0 + run, tiles)
        columns = (tile1 - tile0) * N
        outputs = slice(g * M, (g + 1) * M)
        if g != ready:
            transform_weights(w[outputs], weights, positions, spans)
            ready = g
        inputs = space[: positions.size * channels * columns].reshape(positions.size, channels, columns)
        result = space[inputs.size : inputs.size + TERMS * M * columns].reshape(TERMS, M, columns)
        transform_inputs(
            x[g * channels : (g + 1) * channels], inputs, rows.reshape(8, -1), pad, positions, tile0, tile1, -(-OW // 2)
        )
        for term, product in zip(terms, result, strict=True):
            left = weights[term.start * M * channels : term.stop * M * channels].reshape(M, -1)
            np.matmul(left, inputs[term].reshape(-1, columns), out=product)
        transform_results(result, y[outputs], rows, tile0, tile1, b[outputs] if epilogue.has_bias else weights, epilogue)


@jit
def transform_weights(w, out, positions, spans):
    """out, flat: for each term a matrix (O, its pairs * C), from w (O, C, kh, kw)."""
    O, C, kh, kw = w.shape
    down, along = positions.shape
    columns, transformed = np.empty((kw, kh * C), np.float32), np.empty((along, kh * C), np.float32)
    for o in range(O):
        flat = w[o].reshape(-1)
        for i in range(kh):
            for j in range(kw):
                column, at = columns[j, i * C : (i + 1) * C], i * kw + j
                for c in range(C):
                    column[c] = flat[c * kh * kw + at]
        for j in range(along):
            weight_of(columns, j, transformed[j], kh * C)
        for j in range(along):
            rows = transformed[j].reshape(kh, C)
            for i in range(down):
                first, count = spans[positions[i, j]]
                weight_of(rows, i, out[(first * O + o * count + positions[i, j] - first) * C :], C)


@njit(inline="always")
def weight_of(w, pair, out, n):
    """The weights of a pair along one axis, out (n,), from w (3 or 5, n)."""
    if pair == 1:
        a, b, d = w[0], w[1], w[2]
        for c in range(n):
            out[c] = HALF * (a[c] + d[c] + b[c])
    elif pair == 2:
        a, b, d = w[0], w[1], w[2]
        for c in range(n):
            out[c] = HALF * (a[c] + d[c] - b[c])
    elif pair == 5:
        a, b = w[3], w[4]
        for c in range(n):
            out[c] = a[c] + b[c]
    else:
        a = w[0 if pair == 0 else 2 if pair == 3 else 3 if pair == 4 else 4]
        for c in range(n):
            out[c] = a[c]


@jit
def transform_inputs(x, out, rows, pad, positions, tile0, tile1, tile_columns):
    """out (pairs, C, (tile1 - tile0) * N): the inputs of each pair for the tiles [tile0, tile1) of x (C, H, W, N), zero outside it.

    rows (8, at least a row of tiles): scratch.
    """
    C, H, W, N = x.shape
    more_down, more_along = positions.shape[0] > 4, positions.shape[1] > 4
    zeros = rows[7]
    zeros[:] = 0
    for c in range(C):
        tile = tile0
        while tile < tile1:
            i, j = tile // tile_columns, tile % tile_columns
            count = min(tile_columns - j, tile1 - tile)
            top, left, columns = 2 * i - pad[0], 2 * j - pad[1], 2 * count + (4 if more_along else 2)
            low = min(max(-left, 0), columns)
            high = max(min(W - left, columns), low)
            first, last = low * N, high * N
            rows[:7, :first] = 0
            rows[:7, last : columns * N] = 0
            x0 = x[c, top].reshape(-1)[left * N + first : left * N + last] if 0 <= top < H else zeros
            x1 = x[c, top + 1].reshape(-1)[left * N + first : left * N + last] if 0 <= top + 1 < H else zeros
            x2 = x[c, top + 2].reshape(-1)[left * N + first : left * N + last] if 0 <= top + 2 < H else zeros
            x3 = x[c, top + 3].reshape(-1)[left * N + first : left * N + last] if 0 <= top + 3 < H else zeros
            four(x0, x1, x2, x3, rows[0, first:last], rows[1, first:last], rows[2, first:last], rows[3, first:last], last - first)
            if more_down:
                x4 = x[c, top + 4].reshape(-1)[left * N + first : left * N + last] if 0 <= top + 4 < H else zeros
                x5 = x[c, top + 5].reshape(-1)[left * N + first : left * N + last] if 0 <= top + 5 < H else zeros
                three(x3, x4, x5, rows[4, first:last], rows[5, first:last], rows[6, first:last], last - first)
            for pair in range(positions.shape[0]):
                along(rows[pair], out, c, positions[pair], count, (tile - tile0) * N, N)
            tile += count


@jit
def along(row, out, c, positions, count, start, N):
    """out[positions, c, start:] = the pairs of `count` tiles along a row."""
    out0, out1, out2, out3 = out[positions[0], c], out[positions[1], c], out[positions[2], c], out[positions[3], c]
    for tile in range(count):
        to, at = start + tile * N, 2 * tile * N
        x0, x1, x2 = row[at : at + N], row[at + N : at + 2 * N], row[at + 2 * N : at + 3 * N]
        x3 = row[at + 3 * N : at + 4 * N]
        four(x0, x1, x2, x3, out0[to : to + N], out1[to : to + N], out2[to : to + N], out3[to : to + N], N)
    if positions.size > 4:
        out4, out5, out6 = out[positions[4], c], out[positions[5], c], out[positions[6], c]
        for tile in range(count):
            to, at = start + tile * N, (2 * tile + 3) * N
            x3, x4, x5 = row[at : at + N], row[at + N : at + 2 * N], row[at + 2 * N : at + 3 * N]
            three(x3, x4, x5, out4[to : to + N], out5[to : to + N], out6[to : to + N], N)


@njit(inline="always")
def four(x0, x1, x2, x3, out0, out1, out2, out3, n):
    """The inputs of the pairs of three weights, n times."""
    for i in range(n):
        a, b = x1[i], x2[i]
        out0[i] = x0[i] - b
        out1[i] = a + b
        out2[i] = b - a
        out3[i] = a - x3[i]


@njit(inline="always")
def three(x3, x4, x5, out4, out5, out6, n):
    """The inputs of the pairs of two more weights, n times."""
    for i in range(n):
        a = x4[i]
        out4[i] = x3[i] - a
        out5[i] = a
        out6[i] = a - x5[i]


@jit
def transform_results(result, y, rows, tile0, tile1, bias, epilogue):
    """y (O, OH, OW, N) from the terms (16, O, tiles * N) of the tiles [tile0, tile1), plus bias (O,), then ReLU if asked."""
    O, OH, OW, N = y.shape
    tile_columns = (OW + 1) // 2
    sums = rows[: 8 * N].reshape(2, 4, N)
    for o in range(O):
        b = bias[o] if epilogue.has_bias else np.float32(0)
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
                bias_relu_row(out, b, epilogue.relu, epilogue.slope)
                if left + 1 < OW:
                    out = y[o, top + i, left + 1]
                    for n in range(N):
                        out[n] = (q[n] - r[n]) - s[n]
                    bias_relu_row(out, b, epilogue.relu, epilogue.slope)
