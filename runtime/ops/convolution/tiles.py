"""Convolution by windows of 3 x 3 or 5 x 5 that move by 1, by tiles of 4 x 4 or 2 x 2 outputs, with a quarter of the
multiplications, or 36 of 100.

Along one axis, four outputs of three weights, or two of five, are y = A ((G w) * (B x)), with six inputs x (Winograd 1980; Lavin &
Gray 2016): the product of two polynomials, from its values at the points 0, +-3/4, +-3/2 and infinity (Cook & Toom).  Among points
that cards and processors multiply alike, these keep the rounding smallest: 4 to 6 times that of the direct sum, where 0, +-1, +-2
have 20 times.  B is the same for both.

Along both axes a tile has 36 terms.  Over all channels each is one matrix product, of transformed weights (outputs, channels) and
inputs (channels, tiles x batch).
"""

from __future__ import annotations

from fractions import Fraction
from math import frexp

import numpy as np

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.combination import Matrix, combination, store_activated
from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.moves import clear_floats, copy_floats, copy_units, deal_by_four, join_by_four
from runtime.kernels.cpu.product import DEPTH, PANEL, multiply, pack_row, packed_size
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.ops.convolution.geometry import Geometry, Pair

SMALL, LARGE = 3, 5  # weights of a window along an axis
SIDE = 6  # inputs of a tile along an axis, and its terms
OUT = SIDE + 1 - SMALL  # outputs of small windows; of large ones there are two
TERMS = SIDE * SIDE
POINTS = tuple(Fraction(numerator, 4) for numerator in (0, 3, -3, 6, -6))
PLAIN = Epilogue()
LEAST = 16  # channels, outputs, and tiles x batch; with fewer the transforms cost more than the products save


def transforms(window: int) -> tuple[Matrix, Matrix, Matrix]:
    """(A, G, B) of so many weights, each row of B scaled by a power of two to about 1, that of G by its inverse."""
    out = outputs(window)
    spread = [[point**i for point in POINTS] + [Fraction(i == out - 1)] for i in range(out)]
    weights, inputs = [], []
    for point in POINTS:
        others = [other for other in POINTS if other != point]
        divisor = Fraction(1)
        for other in others:
            divisor *= point - other
        row = [*polynomial(others), Fraction(0)]
        scale = Fraction(2) ** (1 - frexp(float(max(abs(value) for value in row)))[1])
        inputs.append([value * scale for value in row])
        weights.append([point**j / divisor / scale for j in range(window)])
    inputs.append(polynomial(list(POINTS)))
    weights.append([Fraction(0)] * (window - 1) + [Fraction(1)])
    a, g, b = (tuple(tuple(float(value) for value in row) for row in rows) for rows in (spread, weights, inputs))
    return a, g, b


def polynomial(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients, lowest first, of the product of (x - root)."""
    found = [Fraction(1)]
    for root in roots:
        found = [(found[k - 1] if k else 0) - root * (found[k] if k < len(found) else 0) for k in range(len(found) + 1)]
    return found


def outputs(window: int) -> int:
    """Outputs of a tile along an axis."""
    return SIDE + 1 - window


A, G, B = transforms(SMALL)
A_LARGE, G_LARGE, _ = transforms(LARGE)
outputs_of, weights_of, inputs_of = combination(A), combination(G), combination(B, period=OUT)
outputs_of_large, weights_of_large = combination(A_LARGE), combination(G_LARGE)


def tiles_of(height: int, width: int, window: int) -> int:
    """How many tiles cover an output."""
    return -(-height // outputs(window)) * -(-width // outputs(window))


def pays(
    geometry: Geometry, channels: int, made: int, extent: Pair, N: int, positions: int | None = None, least: int = LEAST
) -> bool:
    """Whether a convolution is faster this way.

    Parameters
    ----------
    channels, made: inputs and outputs of a group.  extent: of the output.
    positions: windows that products would take instead, where those are not the output's.
    least: tiles x batch.
    """
    window = geometry.kernel[0]
    plain = geometry.stride == geometry.dilation == (1, 1) and geometry.kernel in ((SMALL, SMALL), (LARGE, LARGE))
    if not plain or (window == LARGE and N < LANES) or min(channels, made) < LEAST:
        return False
    tiles = tiles_of(*extent, window)
    positions = extent[0] * extent[1] if positions is None else positions
    return tiles * N >= least and 4 * TERMS * tiles < 3 * window * window * positions  # clearly fewer multiplications


def work_size(width: int, run: int, N: int, window: int) -> int:
    """Floats of 2 SIDE + 1 input rows under a row of tiles, in whole vectors; or of a vector's terms and a run's outputs."""
    row = OUT * -(-(-(-width // outputs(window)) + 1) * N // LANES) * LANES
    return max((2 * SIDE + 1) * row, OUT * SIDE * LANES + OUT * OUT * (run * N + LANES), (SIDE + LARGE) * LARGE * LANES)


@kernel(items=lambda w, transformed: w.shape[0], scratch=lambda w, transformed: w.shape[2] * (w.shape[2] + SIDE) * w.shape[1])
@jit
def transform_tile_weights(begin, end, w, transformed, scratch):
    """transformed (36, O, C) = G w G^T of the weights w (O, C, 3, 3) or (O, C, 5, 5), C >= LANES.  Item: an output."""
    O, C, window, _ = w.shape
    flat, out, area, half = w.reshape(-1), transformed.reshape(-1), window * window, window * window * C
    for o in range(begin, end):
        for c in range(C):
            for i in range(area):
                scratch[i * C + c] = flat[(o * C + c) * area + i]
        for n in range(0, C, LANES):
            c = min(n, C - LANES)
            for j in range(window):
                at, to = j * C + c, half + j * C + c
                if window == SMALL:
                    weights_of(scratch, at, window * C, 0, scratch, to, window * C)
                else:
                    weights_of_large(scratch, at, window * C, 0, scratch, to, window * C)
            for i in range(SIDE):
                at, to = half + i * window * C + c, (i * SIDE * O + o) * C + c
                if window == SMALL:
                    weights_of(scratch, at, C, 0, out, to, O * C)
                else:
                    weights_of_large(scratch, at, C, 0, out, to, O * C)


def terms_size(channels: int, columns: int) -> int:
    """Floats of all terms' packed inputs."""
    return TERMS * packed_size(channels, columns)


@kernel(
    items=lambda x, weights, b, y, geometry, epilogue, run, block: (
        geometry.group
        * -(-tiles_of(y.shape[1], y.shape[2], geometry.kernel[0]) // run)
        * -(-(y.shape[0] // geometry.group) // block)
    ),
    scratch=lambda x, weights, b, y, geometry, epilogue, run, block: (
        terms_size(x.shape[0] // geometry.group, run * x.shape[3])
        + TERMS * ((block + 1) * run * x.shape[3] + LANES)
        + work_size(y.shape[2], run, x.shape[3], geometry.kernel[0])
    ),
)
@jit
def conv2d_tiles(begin, end, x, weights, b, y, scratch, geometry, epilogue, run, block):
    """What `conv2d_direct` computes, with weights (36, O, C/group).  Item: a run of tiles and a block of outputs in a group."""
    (C, _, _, N), (O, OH, OW, _) = x.shape, y.shape
    M, channels = O // geometry.group, C // geometry.group
    step = SIDE + 1 - geometry.kernel[0]
    tiles = -(-OH // step) * -(-OW // step)
    runs, blocks = -(-tiles // run), -(-M // block)
    padded = -(-run * N // PANEL) * PANEL
    term_size, ready = channels * padded, -1
    packed, space = scratch[: TERMS * term_size], scratch[TERMS * term_size :]
    result, rest = space[: TERMS * block * run * N], space[TERMS * block * run * N :]
    line = run * N + LANES  # of a term, and as much as a vector may reach beyond it
    lines, work = rest[: TERMS * line], rest[TERMS * line :]
    flat, bias = weights.reshape(-1), b.reshape(-1)
    for item in range(begin, end):
        g, tile0, o = item // blocks // runs, item // blocks % runs * run, item % blocks * block
        tile1, count = min(tile0 + run, tiles), min(block, M - o)
        columns = (tile1 - tile0) * N
        if item // blocks != ready:
            for c in range(channels):
                transform_channel(x, g * channels + c, lines, line, work, geometry.pad, tile0, tile1, OW, step)
                k = c // DEPTH * DEPTH
                for term in range(TERMS):
                    here = packed[term * term_size + k * padded :]
                    pack_row(lines, term * line, columns, here, c - k, min(DEPTH, channels - k))
            ready = item // blocks
        for term in range(TERMS):
            for k in range(0, channels, DEPTH):
                left, right, to = (
                    (term * O + g * M + o) * channels + k,
                    packed[term * term_size + k * padded :],
                    term * count * columns,
                )
                depth = min(DEPTH, channels - k)
                multiply(
                    flat, left, channels, count, right, depth, result, to, columns, columns, flat, 0, k == 0, True, PLAIN, flat, 0
                )
        if N < LANES:
            finish_dealt_tiles(result, y, g * M + o, count, columns, work, tile0, tile1, bias, epilogue)
        else:
            finish_tiles(result, y, g * M + o, count, columns, work, tile0, tile1, bias, epilogue, step)


@inner
def transform_channel(x, c, lines, line, work, pad, tile0, tile1, width, step):
    """lines (36, line), flat: the terms of channel c of x (C, H, W, N) in these tiles, (tile1 - tile0) * N each.

    width: of the output.  step: from tile to tile.  work: two times SIDE rows under a row of tiles.  Vectors are made of images, or
    of tiles x images where these are few, in steps of OUT: then the columns of each phase (their number in a tile) are dealt out to
    lie together.
    """
    _, H, W, N = x.shape
    flat, tile_columns, tile = x.reshape(-1), -(-width // step), tile0
    dealt = N < LANES
    while tile < tile1:
        i, j = tile // tile_columns, tile % tile_columns
        count = min(tile_columns - j, tile1 - tile)
        top, left, wide = step * i - pad[0], step * j - pad[1], step * count + SIDE - step
        phase = -(-(count + 1) * N // LANES) * LANES
        size = OUT * phase if dealt else -(-wide * N // LANES) * LANES
        spare = 2 * SIDE * size
        for r in range(SIDE):
            at, row = r * size, ((c * H) + top + r) * W
            if not 0 <= top + r < H:
                clear_floats(work, at, size)
            elif dealt and LANES % N == 0:
                copy_padded_row(flat, row, left, W, N, work, spare, OUT * (count + 1))
                for n in range(0, phase, LANES):
                    deal_by_four(work, spare + OUT * n, work, at + n, phase, N)
            elif dealt:
                for p in range(OUT):
                    deal_row(flat, row, left + p, W, N, work, at + p * phase, count + 1)
            else:
                copy_padded_row(flat, row, left, W, N, work, at, wide)
        for n in range(0, size, LANES):
            inputs_of(work, n, size, OUT * size, work, SIDE * size + n, size)
        # Of dealt columns, what the last vector has too much is overwritten by the next row of tiles.
        runs, length, following, around = (1, count * N, phase, N) if dealt else (count, N, N, OUT * N)
        for row in range(SIDE):
            start, to = (SIDE + row) * size, row * SIDE * line + (tile - tile0) * N
            for t in range(runs):
                for n in range(0, length, LANES):
                    at = n if dealt else min(n, N - LANES)
                    inputs_of(work, start + step * t * N + at, following, around, lines, to + t * N + at, line)
        tile += count


@inner
def copy_padded_row(flat, row, left, W, N, work, at, wide):
    """work, from `at` on: `wide` columns of a row of W columns, N floats each, from column `left` on; zeros beside it."""
    low = min(max(-left, 0), wide)
    high = max(min(W - left, wide), low)
    if low:
        clear_floats(work, at, low * N)
    copy_floats(flat, (row + left + low) * N, work, at + low * N, (high - low) * N)
    if high < wide:
        clear_floats(work, at + high * N, (wide - high) * N)


@inner
def deal_row(flat, row, first, W, N, work, at, count):
    """work, from `at` on: each OUT-th column of a row of W columns, N floats each, from column `first` on; zeros beside it."""
    low = min(max(-(first // OUT), 0), count)
    high = max(min(-((first - W) // OUT), count), low)
    if low:
        clear_floats(work, at, low * N)
    copy_units(flat, (row + first + OUT * low) * N, OUT * N, work, at + low * N, N, N, high - low)
    if high < count:
        clear_floats(work, at + high * N, (count - high) * N)


@inner
def finish_tiles(result, y, o0, count, columns, work, tile0, tile1, bias, epilogue, step):
    """y (O, OH, OW, N), `count` outputs from o0 on, from their terms (36, count, columns), flat, plus bias; then ReLU if asked."""
    _, OH, OW, N = y.shape
    flat, tile_columns, term, spot = y.reshape(-1), -(-OW // step), count * columns, OUT * SIDE * LANES
    for m in range(count):
        b = bias[o0 + m] if epilogue.has_bias else np.float32(0)
        for tile in range(tile0, tile1):
            top, left = tile // tile_columns * step, tile % tile_columns * step
            for n in range(0, N, LANES):
                lane = min(n, N - LANES)
                at = m * columns + (tile - tile0) * N + lane
                for j in range(SIDE):
                    if step == OUT:
                        outputs_of(result, at + j * term, SIDE * term, 0, work, j * LANES, SIDE * LANES)
                    else:
                        outputs_of_large(result, at + j * term, SIDE * term, 0, work, j * LANES, SIDE * LANES)
                for i in range(min(step, OH - top)):
                    if step == OUT:
                        outputs_of(work, i * SIDE * LANES, LANES, 0, work, spot, LANES)
                    else:
                        outputs_of_large(work, i * SIDE * LANES, LANES, 0, work, spot, LANES)
                    to = (((o0 + m) * OH + top + i) * OW + left) * N + lane
                    for j in range(min(step, OW - left)):
                        store_activated(work, spot + j * LANES, flat, to + j * N, b, epilogue.relu, np.float32(epilogue.slope))


@inner
def finish_dealt_tiles(result, y, o0, count, columns, work, tile0, tile1, bias, epilogue):
    """The same for few images: vectors of tiles x images, dealt back to where the columns of y lie."""
    _, OH, OW, N = y.shape
    flat, tile_columns, term, spot = y.reshape(-1), -(-OW // OUT), count * columns, OUT * SIDE * LANES
    plane, slope, joins = columns + LANES, np.float32(epilogue.slope), LANES % N == 0
    for m in range(count):
        b = bias[o0 + m] if epilogue.has_bias else np.float32(0)
        for n in range(0, columns, LANES):
            for j in range(SIDE):
                outputs_of(result, m * columns + n + j * term, SIDE * term, 0, work, j * LANES, SIDE * LANES)
            for i in range(OUT):
                row = spot + i * OUT * plane
                at, following = (row + OUT * n, LANES) if joins else (row + n, plane)
                outputs_of(work, i * SIDE * LANES, LANES, 0, work, at, following)
                for j in range(OUT):
                    here = at + j * following
                    store_activated(work, here, work, here, b, epilogue.relu, slope)
                if joins:
                    join_by_four(work, at, LANES, work, at, N)
        tile = tile0
        while tile < tile1:
            top, left = tile // tile_columns * OUT, tile % tile_columns * OUT
            together = min(tile_columns - left // OUT, tile1 - tile)
            for i in range(min(OUT, OH - top)):
                row, to = spot + i * OUT * plane, (((o0 + m) * OH + top + i) * OW + left) * N
                if joins:
                    copy_floats(work, row + OUT * (tile - tile0) * N, flat, to, min(OUT * together, OW - left) * N)
                    continue
                for j in range(OUT):
                    at, whole = row + j * plane + (tile - tile0) * N, min(together, -((left + j - OW) // OUT))
                    copy_units(work, at, N, flat, to + j * N, OUT * N, N, whole)
            tile += together
