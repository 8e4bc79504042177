"""A convolution by tiles for many workers: terms of the inputs are made once, and blocks of outputs share them.

`conv2d_tiles` transforms a run of tiles and multiplies at once, while the terms stay near the processor, which is faster where it
makes items enough.
"""

from __future__ import annotations

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.product import DEPTH, multiply, pack_row
from runtime.kernels.cpu.register_tile import LANES
from runtime.kernels.cpu.registry import kernel
from runtime.kernels.operand import Operand
from runtime.ops.convolution.geometry import Geometry, Pair
from runtime.ops.convolution.tiles import (
    SIDE,
    TERMS,
    finish_dealt_tiles,
    finish_tiles,
    transform_channel,
    work_size,
)

PLAIN = Epilogue()
TOGETHER = 16  # channels that one item transforms


def work_space(x: Operand, extent: Pair, geometry: Geometry, run: int) -> int:
    """Floats that `pack_channels` needs."""
    N = x.shape[3]
    return TERMS * (run * N + LANES) + work_size(extent[1], run, N, geometry.kernel[0])


@kernel(
    items=lambda x, terms, geometry, extent, run: terms.shape[0] * -(-x.shape[0] // geometry.group // TOGETHER),
    scratch=lambda x, terms, geometry, extent, run: work_space(x, extent, geometry, run),
)
@jit
def transform_tiles(begin, end, x, terms, scratch, geometry, extent, run):
    """terms (group * runs, 36, C/group * columns): those of x, packed for products.  extent: of the output.

    Item: some channels of a run.
    """
    channels, N, (runs, _, term_size), step = x.shape[0] // geometry.group, x.shape[3], terms.shape, SIDE + 1 - geometry.kernel[0]
    tiles, in_group = -(-extent[0] // step) * -(-extent[1] // step), runs // geometry.group
    line, pieces, out = run * N + LANES, -(-channels // TOGETHER), terms.reshape(-1)
    lines, work = scratch[: TERMS * line], scratch[TERMS * line :]
    for item in range(begin, end):
        which, c = item // pieces, item % pieces * TOGETHER
        tile0 = which % in_group * run
        pack_channels(
            x, which // in_group, c, min(c + TOGETHER, channels), channels, out[which * TERMS * term_size :], term_size // channels,
            lines, line, work, geometry.pad, tile0, min(tile0 + run, tiles), extent[1], step,
        )  # fmt: skip


@kernel(
    items=lambda terms, weights, b, y, geometry, epilogue, run, block: terms.shape[0] * -(-(y.shape[0] // geometry.group) // block),
    scratch=lambda terms, weights, b, y, geometry, epilogue, run, block: (
        TERMS * block * run * y.shape[3] + work_size(y.shape[2], run, y.shape[3], geometry.kernel[0])
    ),
)
@jit
def conv2d_terms(begin, end, terms, weights, b, y, scratch, geometry, epilogue, run, block):
    """What `conv2d_tiles` computes, of terms that `transform_tiles` made once for all blocks of outputs."""
    (O, OH, OW, N), (_, _, channels), (runs, _, term_size) = y.shape, weights.shape, terms.shape
    M, step = O // geometry.group, SIDE + 1 - geometry.kernel[0]
    tiles, blocks, in_group = -(-OH // step) * -(-OW // step), -(-M // block), runs // geometry.group
    result, work = scratch[: TERMS * block * run * N], scratch[TERMS * block * run * N :]
    flat, bias, source = weights.reshape(-1), b.reshape(-1), terms.reshape(-1)
    for item in range(begin, end):
        which, o = item // blocks, item % blocks * block
        tile0 = which % in_group * run
        multiply_terms(
            flat, source[which * TERMS * term_size :], term_size // channels, channels, which // in_group * M + o,
            min(block, M - o), result, work, y, bias, epilogue, tile0, min(tile0 + run, tiles), step,
        )  # fmt: skip


@inner
def pack_channels(x, g, first, last, channels, packed, padded, lines, line, work, pad, tile0, tile1, width, step):
    """packed (36, channels * padded), flat: the terms of channels [first, last) of group g of x in these tiles, for products."""
    columns = (tile1 - tile0) * x.shape[3]
    for c in range(first, last):
        transform_channel(x, g * channels + c, lines, line, work, pad, tile0, tile1, width, step)
        k = c // DEPTH * DEPTH
        for term in range(TERMS):
            here = packed[(term * channels + k) * padded :]
            pack_row(lines, term * line, columns, here, c - k, min(DEPTH, channels - k))


@inner
def multiply_terms(weights, packed, padded, channels, o, count, result, work, y, bias, epilogue, tile0, tile1, step):
    """y (O, OH, OW, N): `count` outputs from o on in these tiles, from packed terms.  weights (36, O, channels), flat."""
    O, N = y.shape[0], y.shape[3]
    columns = (tile1 - tile0) * N
    for term in range(TERMS):
        for k in range(0, channels, DEPTH):
            left, right, to = (term * O + o) * channels + k, packed[(term * channels + k) * padded :], term * count * columns
            multiply(
                weights, left, channels, count, right, min(DEPTH, channels - k), result, to, columns, columns, weights, 0, k == 0,
                True, PLAIN, weights, 0,
            )  # fmt: skip
    if N < LANES:
        finish_dealt_tiles(result, y, o, count, columns, work, tile0, tile1, bias, epilogue)
    else:
        finish_tiles(result, y, o, count, columns, work, tile0, tile1, bias, epilogue, step)
