"""Products of matrices whose right side is packed for register tiles, by the kernel that makes it.

The right side b (depth, columns) is packed panel by panel: panel p has the columns from p * WIDTH on, and its rows, of WIDTH floats
each, follow one another.  The left side is read where it lies.
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import inner
from runtime.kernels.cpu.moves import clear_floats, copy_floats, copy_row, transpose_square
from runtime.kernels.cpu.register_tile import LANES, ROWS, WIDTH, multiply_one, multiply_three, multiply_two

DEPTH = 256  # rows of b that are packed at a time: what a worker reads again stays in its caches
PANEL, HEIGHT = 48, 8  # columns and rows: multiples of every processor's tile, so that plans are the same on all


def packed_size(depth: int, columns: int) -> int:
    """Floats of `depth` packed rows."""
    return depth * -(-columns // PANEL) * PANEL


@inner
def pack_row(source, start, columns, packed, k, depth):
    """Row k of packed (depth rows, flat) = `columns` floats of source, flat, from `start` on."""
    panels = columns // WIDTH
    for panel in range(panels):
        copy_row(source, start + panel * WIDTH, packed, (panel * depth + k) * WIDTH)
    rest, to = columns - panels * WIDTH, (panels * depth + k) * WIDTH
    if rest:
        copy_floats(source, start + panels * WIDTH, packed, to, rest)
        clear_floats(packed, to + rest, -(-rest // LANES) * LANES - rest)


@inner
def pack_transposed(lines, at, length, count, packed, column, depth):
    """Columns [column, column + LANES) of packed (depth rows, flat) = `count` lines of `depth` floats, then any numbers.

    lines: flat, from `at` on, `length` apart.  column: a multiple of LANES.  count: at most LANES.
    """
    to = column // WIDTH * depth * WIDTH + column % WIDTH
    whole = depth - depth % LANES if count == LANES else 0
    for k in range(0, whole, LANES):
        transpose_square(lines, at + k, length, packed, to + k * WIDTH, WIDTH)
    for k in range(whole, depth):
        for j in range(LANES):
            packed[to + k * WIDTH + j] = lines[at + min(j, count - 1) * length + k]


@inner
def multiply(a, a_at, a_row, M, packed, depth, c, c_at, c_row, columns, bias, bias_at, first, last, epilogue, more, more_at):
    """c (M, columns) = a (M, depth) times packed (depth, columns), the `first` part of a sum, or c += as much.

    A bias (M,) is added to the first part; to the last one `more` (M, columns) and ReLU, if the epilogue says so.  a, c, bias and
    more are flat, from *_at on; rows of a are a_row floats apart, those of c and more c_row.
    """
    biased, relu, slope = first and epilogue.has_bias, last and epilogue.relu, np.float32(epilogue.slope)
    added = last and epilogue.added
    for i in range(0, M, ROWS):
        rows, left, to, b, m = min(ROWS, M - i), a_at + i * a_row, c_at + i * c_row, bias_at + i, more_at + i * c_row
        for j in range(0, columns, WIDTH):
            n, right = min(WIDTH, columns - j), j * depth
            if n > 2 * LANES:
                multiply_three(
                    a, left, a_row, packed, right, depth, c, to + j, c_row, rows, n, bias, b, more, m + j,
                    first, biased, added, relu, slope,
                )  # fmt: skip
            elif n > LANES:
                multiply_two(
                    a, left, a_row, packed, right, depth, c, to + j, c_row, rows, n, bias, b, more, m + j,
                    first, biased, added, relu, slope,
                )  # fmt: skip
            else:
                multiply_one(
                    a, left, a_row, packed, right, depth, c, to + j, c_row, rows, n, bias, b, more, m + j,
                    first, biased, added, relu, slope,
                )  # fmt: skip
