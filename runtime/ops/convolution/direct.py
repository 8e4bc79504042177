"""Convolution by im2col and matrix products, batch innermost.

For a run of output positions, rows of the windows' matrix, (C/group * kh * kw) rows, are packed as the right side of a product, and
the product with the weights writes the outputs where they belong.  The three directions:

    y  = w . col(x)                     by runs of output positions and blocks of outputs
    dw = dy . col(x)^T                  by blocks of the weights' columns and segments of the positions
    dx = col2im(w^T . dy)               by blocks of input channels

Every item writes its own region of the result, so nothing depends on the number of threads.
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.product import DEPTH, PANEL, multiply, pack_row, packed_size
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.kernels.cpu.transposing import transpose
from runtime.ops.convolution.windows import col2im_add, pack_windows, pack_windows_transposed

PLAIN = Epilogue()
MOST_COLUMNS = 10 * PANEL  # of the weights in one item of their gradient
CHUNK = 256  # columns of a product that sums over positions


def runs_of(y, run):
    """How many runs of positions there are."""
    return -(-(y.shape[1] * y.shape[2]) // run)


def blocks_of(size, block):
    return -(-size // block)


def column_block(rows: int) -> int:
    """How many of a group's weight columns one item of the weight gradient takes: whole tiles."""
    blocks = blocks_of(rows, MOST_COLUMNS)
    return min(rows, blocks_of(rows, blocks * PANEL) * PANEL)


def chunk_positions(N: int) -> int:
    """Output positions of one product that sums over them."""
    return max(1, CHUNK // N)


@kernel(
    items=lambda x, w, b, more, y, geometry, epilogue, run, block: (
        geometry.group * runs_of(y, run) * blocks_of(w.shape[0] // geometry.group, block)
    ),
    scratch=lambda x, w, b, more, y, geometry, epilogue, run, block: packed_size(
        min(DEPTH, w.size // w.shape[0]) + 1, run * x.shape[3]
    ),
)
@jit
def conv2d_direct(begin, end, x, w, b, more, y, scratch, geometry, epilogue, run, block):
    """y (O, OH, OW, N) = w (O, C/group, kh, kw) * x (C, H, W, N) + b (O,) + more, shaped as y, then ReLU; each that is asked for.

    Item: a block of a group's outputs at a run of positions.
    """
    N, (O, OH, OW, _) = x.shape[3], y.shape
    rows, positions, M = w[0].size, OH * OW, O // geometry.group
    weights, bias, out, other = w.reshape(-1), b.reshape(-1), y.reshape(-1), more.reshape(-1)
    line, packed = scratch[: run * N], scratch[run * N :]
    runs, blocks = -(-positions // run), -(-M // block)
    for item in range(begin, end):
        g, position0, o0 = item // blocks // runs, item // blocks % runs * run, item % blocks * block
        position1, o = min(position0 + run, positions), item // blocks // runs * M + o0
        columns, to = (position1 - position0) * N, (o * positions + position0) * N
        for k in range(0, rows, DEPTH):
            depth = min(DEPTH, rows - k)
            row = g * rows + k
            pack_windows(x, packed, line, row, row + depth, position0, position1, OW, geometry)
            multiply(
                weights, o * rows + k, rows, min(block, M - o0), packed, depth, out, to, positions * N, columns, bias, o, k == 0,
                k + depth == rows, epilogue, other, to,
            )  # fmt: skip


@kernel(
    items=lambda x, packed, geometry, extent, run: packed.shape[0] * blocks_of(packed.shape[1], DEPTH),
    scratch=lambda x, packed, geometry, extent, run: run * x.shape[3],
)
@jit
def pack_runs(begin, end, x, packed, scratch, geometry, extent, run):
    """packed (group * runs, rows, columns): the windows of x (C, H, W, N) for products, by runs of `extent` output positions.

    Item: DEPTH rows of a run.
    """
    runs, rows, padded = packed.shape
    positions, chunks, out = extent[0] * extent[1], -(-rows // DEPTH), packed.reshape(-1)
    in_group = runs // geometry.group
    for item in range(begin, end):
        which, k = item // chunks, item % chunks * DEPTH
        g, position0 = which // in_group, which % in_group * run
        row, position1 = g * rows + k, min(position0 + run, positions)
        here = out[(which * rows + k) * padded :]
        pack_windows(x, here, scratch, row, row + min(DEPTH, rows - k), position0, position1, extent[1], geometry)


@kernel(
    items=lambda packed, w, b, more, y, geometry, epilogue, run, block: (
        packed.shape[0] * blocks_of(w.shape[0] // geometry.group, block)
    )
)
@jit
def conv2d_packed(begin, end, packed, w, b, more, y, geometry, epilogue, run, block):
    """What `conv2d_direct` computes, of windows that `pack_runs` packed once for all blocks of outputs."""
    (O, OH, OW, N), (_, rows, padded) = y.shape, packed.shape
    positions, M = OH * OW, O // geometry.group
    weights, bias, out, other, source = w.reshape(-1), b.reshape(-1), y.reshape(-1), more.reshape(-1), packed.reshape(-1)
    runs, blocks = packed.shape[0] // geometry.group, -(-M // block)
    for item in range(begin, end):
        which, o0 = item // blocks, item % blocks * block
        position0, o = which % runs * run, which // runs * M + o0
        columns, to = (min(position0 + run, positions) - position0) * N, (o * positions + position0) * N
        for k in range(0, rows, DEPTH):
            depth = min(DEPTH, rows - k)
            multiply(
                weights, o * rows + k, rows, min(block, M - o0), source[(which * rows + k) * padded :], depth, out, to,
                positions * N, columns, bias, o, k == 0, k + depth == rows, epilogue, other, to,
            )  # fmt: skip


@kernel(
    items=lambda x, dy, parts, geometry, block, segment: (
        parts.shape[0] // dy.shape[0] * geometry.group * blocks_of(parts.size // parts.shape[0], block)
    ),
    scratch=lambda x, dy, parts, geometry, block, segment: (
        (LANES + packed_size(1, block)) * chunk_positions(x.shape[3]) * x.shape[3]
    ),
)
@jit
def conv2d_weight_gradient_direct(begin, end, x, dy, parts, scratch, geometry, block, segment):
    """parts (segments * O, C/group, kh, kw): the weights' gradients, dy (O, OH, OW, N) times x's windows, of each segment of output
    positions.

    Item: a block of a group's columns in a segment.
    """
    N, (O, OH, OW, _) = x.shape[3], dy.shape
    rows, positions, M = parts[0].size, OH * OW, O // geometry.group
    gradients, out = dy.reshape(-1), parts.reshape(-1)
    run = max(1, CHUNK // N)
    lines, packed = scratch[: LANES * run * N], scratch[LANES * run * N :]
    blocks = -(-rows // block)
    for item in range(begin, end):
        s, g, row0 = item // blocks // geometry.group, item // blocks % geometry.group, item % blocks * block
        height, start, stop = min(block, rows - row0), s * segment, min((s + 1) * segment, positions)
        to, row = (s * O + g * M) * rows + row0, g * rows + row0
        for position0 in range(start, stop, run):
            position1 = min(position0 + run, stop)
            pack_windows_transposed(x, packed, lines, row, row + height, position0, position1, OW, geometry)
            at, depth = (g * M * positions + position0) * N, (position1 - position0) * N
            first = position0 == start
            multiply(gradients, at, positions * N, M, packed, depth, out, to, rows, height, out, 0, first, True, PLAIN, out, 0)


@kernel(items=lambda parts, dw: dw.shape[0])
@jit
def sum_segments(begin, end, parts, dw):
    """dw (O, C/group, kh, kw) = the sum of the segments of parts (segments * O, C/group, kh, kw), in order."""
    O = dw.shape[0]
    for o in range(begin, end):
        out = dw[o].reshape(-1)
        out[:] = parts[o].reshape(-1)
        for s in range(1, parts.shape[0] // O):
            more = parts[s * O + o].reshape(-1)
            for i in range(out.size):
                out[i] += more[i]


@kernel(
    items=lambda dy, across, dx, geometry, run, block: geometry.group * blocks_of(dx.shape[0] // geometry.group, block),
    scratch=lambda dy, across, dx, geometry, run, block: (
        block * geometry.kernel[0] * geometry.kernel[1] * run * dy.shape[3]
        + packed_size(min(DEPTH, across.shape[1]), run * dy.shape[3])
    ),
)
@jit
def conv2d_input_gradient_direct(begin, end, dy, across, dx, scratch, geometry, run, block):
    """dx (C, H, W, N) = the transposed convolution of dy (O, OH, OW, N) with w by col2im.  across: w as transpose_weights gives it.

    Item: a block of a group's channels.
    """
    (O, OH, OW, N), (kh, kw) = dy.shape, geometry.kernel
    positions, M, per_group = OH * OW, O // geometry.group, dx.shape[0] // geometry.group
    gradients, weights = dy.reshape(-1), across.reshape(-1)
    blocks = -(-per_group // block)
    most = block * kh * kw * run * N
    col, packed = scratch[:most], scratch[most:]
    for item in range(begin, end):
        g, c0 = item // blocks, item % blocks * block
        c, channels = g * per_group + c0, min(block, per_group - c0)
        height = channels * kh * kw
        dx[c : c + channels] = 0
        for position0 in range(0, positions, run):
            position1 = min(position0 + run, positions)
            columns = (position1 - position0) * N
            for k in range(0, M, DEPTH):
                depth = min(DEPTH, M - k)
                for row in range(depth):
                    at = ((g * M + k + row) * positions + position0) * N
                    pack_row(gradients, at, columns, packed, row, depth)
                multiply(
                    weights,
                    c * kh * kw * M + k,
                    M,
                    height,
                    packed,
                    depth,
                    col,
                    0,
                    columns,
                    columns,
                    weights,
                    0,
                    k == 0,
                    True,
                    PLAIN,
                    weights,
                    0,
                )
            matrix = col[: height * columns].reshape(height, columns)
            col2im_add(
                dx[c : c + channels], matrix, 0, height, position0, position1, OW, geometry.kernel, geometry.stride, geometry.pad,
                geometry.dilation,
            )  # fmt: skip


@kernel(items=lambda w, across, group: group * blocks_of(w.size // w.shape[0], LANES))
@jit
def transpose_weights(begin, end, w, across, group):
    """across (C * kh * kw, O/group) = the weights w (O, C/group, kh, kw) of each group, transposed.  Item: LANES rows of it.

    across has the axes (C, O/group, kh, kw), so that it can be weights too.
    """
    rows, M = w[0].size, w.shape[0] // group
    blocks, source, out = -(-rows // LANES), w.reshape(-1), across.reshape(-1)
    for item in range(begin, end):
        g, row = item // blocks, item % blocks * LANES
        at, to = g * M * rows + row, (g * rows + row) * M
        transpose(source, at, rows, M, min(LANES, rows - row), out, to, M)


@kernel(items=lambda w, flipped, group: flipped.shape[0])
@jit
def flip_weights(begin, end, w, flipped, group):
    """flipped (C, O/group, kh, kw): w (O, C/group, kh, kw) with inputs and outputs exchanged and both window axes reversed."""
    O, per_group, kh, kw = w.shape
    M = O // group
    for c in range(begin, end):
        g = c // per_group
        for o in range(M):
            for i in range(kh):
                for j in range(kw):
                    flipped[c, o, i, j] = w[g * M + o, c - g * per_group, kh - 1 - i, kw - 1 - j]


@kernel(items=lambda dy, db: db.size, flops=1)
@jit
def bias_gradient(begin, end, dy, db):
    """db (O,) = the sum of dy (A, O, rows, columns) over the rest; float32 along a row, float64 over the rows."""
    for o in range(begin, end):
        total = np.float64(0)
        for a in range(dy.shape[0]):
            for row in range(dy.shape[2]):
                part = np.float32(0)
                for j in range(dy.shape[3]):
                    part += dy[a, o, row, j]
                total += part
        db[o] = total
