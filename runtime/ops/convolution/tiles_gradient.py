"""The weights' gradient of a convolution by tiles of 4 x 4 outputs: what tiles.py computes, transposed.

Of y = A ((G w) * (B x)) along an axis the gradient of w is G^T ((A^T dy) * (B x)).  Over all tiles and images each of the 36 terms
is one matrix product, of transformed gradients (outputs, tiles x batch) and inputs (tiles x batch, channels): a quarter of the
multiplications.  Only their sums are transformed back.
"""

from __future__ import annotations

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.combination import Matrix, combination
from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.moves import clear_floats, deal_by_four
from runtime.kernels.cpu.product import HEIGHT, PANEL, multiply, pack_transposed, packed_size
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.ops.convolution.geometry import Geometry
from runtime.ops.convolution.tiles import (
    OUT,
    SIDE,
    TERMS,
    WINDOW,
    A,
    G,
    copy_padded_row,
    deal_row,
    pays,
    saves,
    tiles_of,
    transform_channel,
    work_size,
)

PLAIN = Epilogue()
CHUNK = 128  # tiles x batch of one product; the sums are read and written again for each
MOST_ROWS, MOST_COLUMNS = 16 * HEIGHT, 3 * PANEL  # outputs and channels of an item, whose terms stay near the processor
LEAST_COLUMNS = 256  # tiles x batch of a segment
LEAST_TILED = 160  # tiles x batch; with fewer what is done once for all costs more than the products save


def transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


gradients_of, weights_back_of = combination(transposed(A)), combination(transposed(G))


def is_faster(geometry: Geometry, channels: int, outputs: int, height: int, width: int, N: int) -> bool:
    """Whether the gradient of so many outputs and channels of a group is faster this way; height and width: of an output."""
    tiles = tiles_of(height, width)
    enough = tiles * N >= LEAST_TILED and saves(height, width, height * width)
    return enough and pays(geometry, channels, outputs, tiles * N)


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
        + work_size(dy.shape[2], chunk_tiles(x.shape[3]), x.shape[3])
    ),
)  # fmt: skip
@jit
def conv2d_weight_gradient_tiles(begin, end, x, dy, parts, scratch, geometry, rows, block, segment):
    """What `conv2d_weight_gradient_direct` computes, by segments of tiles.

    Item: a block of outputs and one of channels, of a group in a segment.
    """
    (C, _, _, N), (O, OH, OW, _) = x.shape, dy.shape
    M, channels = O // geometry.group, C // geometry.group
    tiles, run = -(-OH // OUT) * -(-OW // OUT), max(1, CHUNK // N)
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
                transform_gradient(dy, g * M + o0 + o, left[o * line :], left_term, work, tile0, tile1)
            for c in range(0, width, LANES):
                few = min(LANES, width - c)
                for i in range(few):
                    channel = g * channels + c0 + c + i
                    transform_channel(x, channel, lines[i * line :], term_lines, work, geometry.pad, tile0, tile1, OW)
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
def transform_gradient(dy, o, lines, line, work, tile0, tile1):
    """lines (36, line), flat: the terms of output o of dy (O, H, W, N) in these tiles, (tile1 - tile0) * N each.

    work, vectors: as for `transform_channel`.
    """
    _, H, W, N = dy.shape
    flat, tile_columns, tile = dy.reshape(-1), -(-W // OUT), tile0
    dealt = N < LANES
    while tile < tile1:
        i, j = tile // tile_columns, tile % tile_columns
        count = min(tile_columns - j, tile1 - tile)
        phase = -(-count * N // LANES) * LANES
        size = OUT * phase
        for r in range(OUT):
            at, row = r * size, (o * H + OUT * i + r) * W
            if OUT * i + r >= H:
                clear_floats(work, at, size)
            elif N == 1:
                spare = (OUT + SIDE) * size
                copy_padded_row(flat, row, OUT * j, W, 1, work, spare, OUT * phase)
                for n in range(0, phase, LANES):
                    deal_by_four(work, spare + OUT * n, work, at + n, phase)
            elif dealt:
                for p in range(OUT):
                    deal_row(flat, row, OUT * j + p, W, N, work, at + p * phase, count)
            else:
                copy_padded_row(flat, row, OUT * j, W, N, work, at, OUT * count)
        for n in range(0, size, LANES):
            gradients_of(work, n, size, 0, work, size * OUT + n, size)
        runs, length, following = (1, count * N, phase) if dealt else (count, N, N)
        for row in range(SIDE):
            begin, to = (OUT + row) * size, row * SIDE * line + (tile - tile0) * N
            for t in range(runs):
                for n in range(0, length, LANES):
                    at = n if dealt else min(n, N - LANES)
                    gradients_of(work, begin + OUT * t * N + at, following, 0, lines, to + t * N + at, line)
        tile += count


@inner
def write_gradient(sums, at, area, width, work, parts, o, c0):
    """parts (O, C, 3, 3)[o, c0 : c0 + width] from the sums of terms, flat, `area` apart, from `at` on."""
    out, channels, spot, window = parts.reshape(-1), parts.shape[1], WINDOW * SIDE * LANES, WINDOW * WINDOW
    for n in range(0, width, LANES):
        for j in range(SIDE):
            weights_back_of(sums, at + n + j * area, SIDE * area, 0, work, j * LANES, SIDE * LANES)
        for i in range(WINDOW):
            weights_back_of(work, i * SIDE * LANES, LANES, 0, work, spot + i * WINDOW * LANES, LANES)
        to = (o * channels + c0 + n) * window
        for lane in range(min(LANES, width - n)):
            for k in range(window):
                out[to + lane * window + k] = work[spot + k * LANES + lane]
