"""The weights' gradient of a convolution by tiles: what tiles.py computes, transposed.

Of y = A ((G w) * (B x)) along an axis the gradient of w is G^T ((A^T dy) * (B x)).  Over all tiles and images each of the 36 terms
is one matrix product, of transformed gradients (outputs, tiles x batch) and inputs (tiles x batch, channels): a quarter of the
multiplications, or 36 of 100 for windows of 5 x 5.  Only their sums are transformed back.
"""

from __future__ import annotations

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.combination import Matrix, combination
from runtime.kernels.cpu.jit import inlined, inner, jit
from runtime.kernels.cpu.moves import clear_floats, deal_by_four
from runtime.kernels.cpu.product import HEIGHT, PANEL, multiply, pack_transposed, packed_size
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.ops.convolution.tiles import (
    A_LARGE,
    G_LARGE,
    OUT,
    SIDE,
    SMALL,
    TERMS,
    A,
    G,
    copy_padded_row,
    deal_row,
    transform_channel,
    work_size,
)

PLAIN = Epilogue()
CHUNK = 64  # tiles x batch of one product; the sums are read and written again for each
MOST_ROWS, MOST_COLUMNS = 8 * HEIGHT, 2 * PANEL  # outputs and channels of an item, whose terms stay near the processor
LEAST_COLUMNS = 256  # tiles x batch of a segment
LEAST_TILED = 160  # tiles x batch; with fewer what is done once for all costs more than the products save


def transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


gradients_of, weights_back_of = combination(transposed(A)), combination(transposed(G))
gradients_of_large, weights_back_of_large = combination(transposed(A_LARGE)), combination(transposed(G_LARGE))


def even_block(size: int, most: int, unit: int) -> int:
    """The largest part of `size` divided into as many as `most` asks for, in whole units."""
    parts = -(-size // most)
    return -(-size // (parts * unit)) * unit


def chunk_tiles(N: int) -> int:
    """Tiles of one product that sums over them."""
    return max(1, CHUNK // N)


def segments_of(tiles: int, segment: int) -> int:
    return -(-tiles // segment)


@kernel(
    items=lambda x, dy, parts, geometry, rows, block, segment: (
        parts.shape[0] // dy.shape[0] * geometry.group * segments_of(dy.shape[0] // geometry.group, rows)
        * segments_of(parts.shape[1], block)
    ),
    scratch=lambda x, dy, parts, geometry, rows, block, segment: (
        TERMS * ((rows + LANES) * (chunk_tiles(x.shape[3]) * x.shape[3] + LANES) + 2 * LANES)
        + TERMS * packed_size(chunk_tiles(x.shape[3]) * x.shape[3], block)
        + TERMS * rows * block
        + work_size(dy.shape[2], chunk_tiles(x.shape[3]), x.shape[3], geometry.kernel[0])
    ),
)  # fmt: skip
@jit
def conv2d_weight_gradient_tiles(begin, end, x, dy, parts, scratch, geometry, rows, block, segment):
    """What `conv2d_weight_gradient_direct` computes, by segments of tiles.

    Item: a block of outputs and one of channels, of a group in a segment.
    """
    (C, _, _, N), (O, OH, OW, _) = x.shape, dy.shape
    M, channels = O // geometry.group, C // geometry.group
    step = SIDE + 1 - geometry.kernel[0]
    tiles, run = -(-OH // step) * -(-OW // step), max(1, CHUNK // N)
    line = run * N + LANES  # of a term, and as much as a vector may reach beyond it
    left_term, term_lines = rows * line + LANES, LANES * line + LANES  # terms a multiple of 4 KiB apart share a cache's set
    left, rest = scratch[: TERMS * left_term], scratch[TERMS * left_term :]
    lines, rest = rest[: TERMS * term_lines], rest[TERMS * term_lines :]
    size, area = run * N * -(-block // PANEL) * PANEL, rows * block
    packed, rest = rest[: TERMS * size], rest[TERMS * size :]
    sums, work = rest[: TERMS * area], rest[TERMS * area :]
    across, down = -(-channels // block), -(-M // rows)
    for item in range(begin, end):
        c0, o0 = item % across * block, item // across % down * rows
        s, g = item // (across * down) // geometry.group, item // (across * down) % geometry.group
        count, width = min(rows, M - o0), min(block, channels - c0)
        start, stop = s * segment, min((s + 1) * segment, tiles)
        for tile0 in range(start, stop, run):
            tile1 = min(tile0 + run, stop)
            columns = (tile1 - tile0) * N
            for o in range(count):
                transform_gradient(dy, g * M + o0 + o, left[o * line :], left_term, work, tile0, tile1, step)
            for c in range(0, width, LANES):
                few = min(LANES, width - c)
                for i in range(few):
                    channel = g * channels + c0 + c + i
                    transform_channel(x, channel, lines[i * line :], term_lines, work, geometry.pad, tile0, tile1, OW, step)
                for term in range(TERMS):
                    pack_transposed(lines, term * term_lines, line, few, packed[term * size :], c, columns)
            for term in range(TERMS):
                multiply(
                    left, term * left_term, line, count, packed[term * size :], columns, sums, term * area, block, width,
                    left, 0, tile0 == start, True, PLAIN, left, 0,
                )  # fmt: skip
        for o in range(count):
            write_gradient(sums, o * block, area, width, work, parts, s * O + g * M + o0 + o, c0)


@inner
def transform_gradient(dy, o, lines, line, work, tile0, tile1, step):
    """lines (36, line), flat: the terms of output o of dy (O, H, W, N) in these tiles, (tile1 - tile0) * N each.

    work, step, vectors: as for `transform_channel`.
    """
    _, H, W, N = dy.shape
    flat, tile_columns, tile = dy.reshape(-1), -(-W // step), tile0
    dealt = N < LANES
    while tile < tile1:
        i, j = tile // tile_columns, tile % tile_columns
        count = min(tile_columns - j, tile1 - tile)
        phase = -(-count * N // LANES) * LANES
        size = OUT * phase if dealt else -(-step * count * N // LANES) * LANES
        for r in range(step):
            at, row = r * size, (o * H + step * i + r) * W
            if step * i + r >= H:
                clear_floats(work, at, size)
            elif dealt and LANES % N == 0:
                spare = (OUT + SIDE) * size
                copy_padded_row(flat, row, OUT * j, W, N, work, spare, OUT * phase // N)
                for n in range(0, phase, LANES):
                    deal_by_four(work, spare + OUT * n, work, at + n, phase, N)
            elif dealt:
                for p in range(OUT):
                    deal_row(flat, row, OUT * j + p, W, N, work, at + p * phase, count)
            else:
                copy_padded_row(flat, row, step * j, W, N, work, at, step * count)
        for n in range(0, size, LANES):
            spread(work, n, size, work, size * step + n, size, step)
        runs, length, following = (1, count * N, phase) if dealt else (count, N, N)
        for row in range(SIDE):
            begin, to = (step + row) * size, row * SIDE * line + (tile - tile0) * N
            for t in range(runs):
                for n in range(0, length, LANES):
                    at = n if dealt else min(n, N - LANES)
                    spread(work, begin + step * t * N + at, following, lines, to + t * N + at, line, step)
        tile += count


@inlined
def spread(a, at, following, b, to, line, step):
    """A^T along an axis: the terms of `step` gradients."""
    if step == OUT:
        gradients_of(a, at, following, 0, b, to, line)
    else:
        gradients_of_large(a, at, following, 0, b, to, line)


@inlined
def gather(a, at, following, b, to, line, window):
    """G^T along an axis: the gradients of `window` weights."""
    if window == SMALL:
        weights_back_of(a, at, following, 0, b, to, line)
    else:
        weights_back_of_large(a, at, following, 0, b, to, line)


@inner
def write_gradient(sums, at, area, width, work, parts, o, c0):
    """parts (O, C, 3, 3), or of 5 x 5, [o, c0 : c0 + width] from the sums of terms, flat, `area` apart, from `at` on."""
    out, (_, channels, window, _) = parts.reshape(-1), parts.shape
    spot, weights = window * SIDE * LANES, window * window
    for n in range(0, width, LANES):
        for j in range(SIDE):
            gather(sums, at + n + j * area, SIDE * area, work, j * LANES, SIDE * LANES, window)
        for i in range(window):
            gather(work, i * SIDE * LANES, LANES, work, spot + i * window * LANES, LANES, window)
        to = (o * channels + c0 + n) * weights
        for lane in range(min(LANES, width - n)):
            for k in range(weights):
                out[to + lane * weights + k] = work[spot + k * LANES + lane]
