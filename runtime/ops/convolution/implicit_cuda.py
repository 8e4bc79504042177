"""Launches of implicit.cu: convolutions whose windows are never in memory, and sums in splits.

A tile is BM outputs x 128 columns (positions x images), or x 128 weights of an output where weights' gradients are made.  Tiles fit
where a pack of 4 images is at one position, and pay where they keep a quarter of the card busy.
"""

from __future__ import annotations

from math import prod

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, ints, name, width
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Launch, Plan
from runtime.kernels.operand import Operand, Pointer, Workspace
from runtime.ops.convolution.geometry import Geometry, is_pointwise

FILE = "implicit.cu"
COLUMNS, TILE_THREADS = 128, 256
HEIGHTS = (128, 96, 64, 32)  # outputs in a tile
SPLIT_HEIGHTS = HEIGHTS[1:]  # with 3xtf32, where registers hold both parts of each factor
BLOCKS = 2  # of a tile that a multiprocessor runs at once
BUSY = 4  # a card of which less than one in so many multiprocessors would be at work is better served by cuBLAS
DEPTH = 16  # of the sum, in steps of which it is cut
LEAST_SHARE = 512  # terms of a sum in one split
MOST_SPLITS, MOST_WAVES = 128, 4
MODES = {"fp32": 0, "tf32": 1, "3xtf32": 2, "bf16": 3}  # product.cuh's


def fits(x: Operand, w: Operand, y: Operand, geometry: Geometry, target: Target) -> bool:
    """Whether a convolution of x to y runs in tiles on such a card."""
    N, columns = x.shape[3], prod(y.shape[1:])
    if target.conv != "tiles" or N % 4 or not all(operand.fits(4) for operand in (x, y)):
        return False
    if is_pointwise(geometry) and target.math in ("fp32", "tf32"):
        return False  # the blob is its own matrix, and cuBLAS is at its best
    rows = prod(w.shape[1:])
    if rows * prod(geometry.kernel) >= 1 << 32 or columns * max(N, y.shape[2]) >= 1 << 32 or columns >= 1 << 31:
        return False
    if x.size >= 1 << 34:  # whose packs are counted in 32 bits
        return False
    outputs = w.shape[0] // geometry.group
    tiles = geometry.group * blocks(columns, COLUMNS) * blocks(outputs, height_of(outputs, target.math))
    return BUSY * tiles >= target.multiprocessors


def height_of(outputs: int, math: str) -> int:
    """The tile's outputs: few tiles, and little of them beyond the outputs."""
    heights = SPLIT_HEIGHTS if math == "3xtf32" else HEIGHTS
    return min(heights, key=lambda height: (blocks(outputs, height) * (height + 16), -height))


def magic(divisor: int) -> np.uint32:
    """For `divided` of implicit.cu."""
    return np.uint32(0 if divisor == 1 else -(-(1 << 32) // divisor))


def extents(x: Operand, w: Operand, y: Operand, geometry: Geometry) -> tuple[np.generic, ...]:
    """The kernels' first numbers."""
    inputs, outputs = w.shape[1], w.shape[0] // geometry.group
    shape = (inputs, *x.shape[1:], y.shape[2], prod(y.shape[1:]), outputs, prod(w.shape[1:]))
    window = (*geometry.kernel, *geometry.stride, *geometry.pad, *geometry.dilation)
    return *ints(*shape, *window), magic(prod(geometry.kernel)), magic(geometry.kernel[1])


def forward(
    x: Operand, w: Operand, y: Operand, pointers: tuple[Pointer, ...], geometry: Geometry, target: Target,
    has_bias: bool = False, relu: bool = False, slope: float = 0.0,
) -> Launch:  # fmt: skip
    """y = w * x, with bias and ReLU.

    Parameters
    ----------
    pointers: x, w, bias (w where there is none), y.
    """
    outputs, columns = w.shape[0] // geometry.group, prod(y.shape[1:])
    height = height_of(outputs, target.math)
    row_tiles, whole = blocks(outputs, height), w.fits(4) and prod(w.shape[1:]) % 4 == 0
    grid = (row_tiles * blocks(columns, COLUMNS) * geometry.group, 1, 1)
    scalars = (*extents(x, w, y, geometry), *ints(row_tiles, whole, has_bias, relu), np.float32(slope))
    work = 4 * (seen(x, y, geometry) + w.size + y.size + y.shape[0] * has_bias), y.size * (has_bias + relu)
    function = name("conv_tiles", MODES[target.math], height)
    return Launch(FILE, function, grid, (TILE_THREADS, 1, 1), pointers, scalars, work, products=2 * columns * w.size)


def weight_gradient(x: Operand, dy: Operand, dw: Operand, geometry: Geometry, target: Target) -> Plan:
    """dw = dy * x: in splits along images and positions, and their sum in order."""
    outputs, columns, rows = dw.shape[0] // geometry.group, prod(dy.shape[1:]), prod(dw.shape[1:])
    height = height_of(outputs, target.math)
    row_tiles = blocks(outputs, height)
    tiles = row_tiles * blocks(rows, COLUMNS)
    splits = splits_of(tiles * geometry.group, columns, target, dw.bytes)
    share = blocks(columns, splits * DEPTH) * DEPTH
    splits = blocks(columns, share)
    partial: Pointer = 2 if splits == 1 else Workspace()
    scalars = (*extents(x, dw, dy, geometry), magic(x.shape[3]), magic(dy.shape[2]), *ints(row_tiles, geometry.group, share))
    work = 4 * (seen(x, dy, geometry) + dy.size + splits * dw.size), 0
    function = name("conv_weight_tiles", MODES[target.math], height)
    grid, products = (tiles * geometry.group * splits, 1, 1), 2 * columns * dw.size
    launch = Launch(FILE, function, grid, (TILE_THREADS, 1, 1), (0, 1, partial), scalars, work, products)
    return Plan((launch,)) if splits == 1 else Plan((launch, sum_splits(dw, 2, splits)), splits * dw.bytes)


def splits_of(tiles: int, terms: int, target: Target, result: int) -> int:
    """Into how many splits the sums of so many tiles are cut, so that whole waves of blocks keep a card busy.

    Parameters
    ----------
    result: bytes of one split's results, which lie in the workspace.
    """
    slots = BLOCKS * target.multiprocessors
    most = min(terms // LEAST_SHARE, target.workspace // result, MOST_SPLITS)
    if tiles >= slots or most < 2:
        return 1
    wanted = {max(1, min(most, wave * slots // tiles)) for wave in range(1, MOST_WAVES + 1)}
    return max(sorted(wanted), key=lambda splits: round(tiles * splits / (blocks(tiles * splits, slots) * slots), 1))


def sum_splits(y: Operand, result: int, splits: int) -> Launch:
    """The n-th array, y, as the sum of so many of its size in the workspace."""
    wide = width(y, run=y.size)
    packs, work = y.size // wide, (4 * (splits + 1) * y.size, (splits - 1) * y.size)
    scalars = np.int64(packs), np.int32(splits)
    pointers = (Workspace(), result)
    return Launch(FILE, name("sum_splits", wide), (blocks(packs), 1, 1), (THREADS, 1, 1), pointers, scalars, work)


def seen(x: Operand, y: Operand, geometry: Geometry) -> int:
    """How many numbers of x are in any window."""
    counts = []
    for axis in range(2):
        starts = [at * geometry.stride[axis] - geometry.pad[axis] for at in range(y.shape[1 + axis])]
        inside = {start + i * geometry.dilation[axis] for start in starts for i in range(geometry.kernel[axis])}
        counts.append(len(inside & set(range(x.shape[1 + axis]))))
    return x.shape[0] * x.shape[3] * prod(counts)
