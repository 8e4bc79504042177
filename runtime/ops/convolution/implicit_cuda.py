"""Launches of implicit.cu: convolutions whose windows are never in memory, and sums in splits.

A tile is BM outputs x 128 columns (positions x images), or x 128 weights of an output where weights' gradients are made.  Tiles fit
where a pack of 4 images is at one position, and pay where they keep a quarter of the card busy.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from runtime.ir.program import ITEM_BYTES
from runtime.kernels.cuda.grids import THREADS, blocks, ints, name, stored, width
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Launch, Plan
from runtime.kernels.operand import Operand, Pointer, Workspace
from runtime.ops.convolution.geometry import Geometry, is_pointwise

FILE = "implicit.cu"
COLUMNS, TILE_THREADS = 128, 256
HEIGHTS = (128, 96, 64, 32)  # outputs in a tile
BLOCKS = 2  # of a tile that a multiprocessor runs at once
BUSY = 4  # a card of which less than one in so many multiprocessors would be at work is better served by cuBLAS
DEPTH = 16  # of the sum, in steps of which it is cut
LEAST_SHARE = 512  # terms of a sum in one split
MOST_SPLITS, MOST_WAVES = 128, 4
MODES = {"fp32": 0, "tf32": 1, "3xtf32": 2, "bf16": 3}  # product.cuh's


def fits(x: Operand, w: Operand, y: Operand, geometry: Geometry, target: Target) -> bool:
    """Whether a convolution of x to y runs in tiles on such a card."""
    columns, outputs = prod(y.shape[1:]), w.shape[0] // geometry.group
    tiles = geometry.group * blocks(columns, COLUMNS) * blocks(outputs, height_of(outputs, target.math))
    return can_count(x, w, y, geometry, target) and BUSY * tiles >= target.multiprocessors


def can_count(x: Operand, w: Operand, y: Operand, geometry: Geometry, target: Target) -> bool:
    """Whether tiles can make a convolution, or its weights' gradient, in such a mode, busy or not."""
    N, columns = x.shape[3], prod(y.shape[1:])
    if target.conv != "tiles" or N % 4 or not all(operand.fits(4) for operand in (x, y)):
        return False
    if is_pointwise(geometry) and target.math in ("fp32", "tf32"):
        return False  # the blob is its own matrix, and cuBLAS is at its best
    rows = prod(w.shape[1:])
    if rows * prod(geometry.kernel) >= 1 << 32 or columns * max(N, y.shape[2]) >= 1 << 32 or columns >= 1 << 31:
        return False
    return x.size < 1 << 34  # whose packs are counted in 32 bits


def height_of(outputs: int, math: str, phased: bool = False) -> int:
    """The tile's outputs: few tiles, and little of them beyond the outputs.

    Parameters
    ----------
    phased: whether the tile is one of a phase, where registers hold more; as they do with 3xtf32, of which both parts of factors.
    """
    heights = HEIGHTS[(math == "3xtf32") + phased :]
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
    moved = item(x) * seen(x, y, geometry) + w.bytes + y.bytes + 4 * y.shape[0] * has_bias
    work = moved, y.size * (has_bias + relu)
    function = name("conv_tiles", MODES[target.math], height, *stored(x, y))
    return Launch(FILE, function, grid, (TILE_THREADS, 1, 1), pointers, scalars, work, products=2 * columns * w.size)


class Phase(NamedTuple):
    """Inputs of one residue of the stride along an axis, and the elements of windows that meet them: implicit.cu's."""

    start: int
    inputs: int
    elements: int


def phases(geometry: Geometry, axis: int, size: int) -> list[Phase]:
    """Of each residue."""
    kernel, stride, pad, dilation, _ = geometry
    met = [i * dilation[axis] % stride[axis] for i in range(kernel[axis])]
    starts = ((residue - pad[axis]) % stride[axis] for residue in range(stride[axis]))
    return [Phase(start, len(range(start, size, stride[axis])), met.count(index)) for index, start in enumerate(starts)]


def pairs(dx: Operand, geometry: Geometry) -> list[tuple[int, int]]:
    """Of each pair of phases the inputs, in one channel and image, and the elements of a window."""
    down, across = (phases(geometry, axis, dx.shape[1 + axis]) for axis in range(2))
    return [(d.inputs * a.inputs, d.elements * a.elements) for d in down for a in across]


def fits_input(dy: Operand, w: Operand, dx: Operand, geometry: Geometry, target: Target) -> bool:
    """Whether the gradient of the input of a convolution whose windows move by more than 1 is made in tiles on such a card."""
    N, outputs, window = dx.shape[3], w.shape[0] // geometry.group, prod(geometry.kernel)
    if target.conv != "tiles" or N % 4 or not all(operand.fits(4) for operand in (dy, dx)):
        return False
    if outputs * window * window >= 1 << 32 or prod(dx.shape[1:]) >= 1 << 31 or dy.size >= 1 << 34 or w.size >= 1 << 31:
        return False
    columns = sum(blocks(inputs * N, COLUMNS) for inputs, elements in pairs(dx, geometry) if inputs and elements)
    return (
        BUSY * geometry.group * columns * blocks(w.shape[1], height_of(w.shape[1], target.math, phased=True))
        >= target.multiprocessors
    )


def input_gradient(dy: Operand, w: Operand, dx: Operand, geometry: Geometry, target: Target) -> Plan:
    """dx by phases, in one launch; the weights of each lie side by side in the workspace."""
    inputs, outputs, N, made = w.shape[1], w.shape[0] // geometry.group, dx.shape[3], pairs(dx, geometry)
    height, column_tiles = height_of(inputs, target.math, phased=True), blocks(max(count for count, _ in made) * N, COLUMNS)
    row_tiles = blocks(inputs, height)
    sorting = ints(inputs, outputs, *geometry.kernel, *geometry.stride, *geometry.dilation, w.size)
    sort = Launch(FILE, "weights_by_phase", (blocks(w.size), 1, 1), (THREADS, 1, 1), (1, Workspace()), sorting, (8 * w.size, 0))
    extents = (inputs, *dx.shape[1:], *dy.shape[1:3], outputs)
    window = (*geometry.kernel, *geometry.stride, *geometry.pad, *geometry.dilation)
    scalars = ints(*extents, *window, row_tiles, column_tiles, geometry.group, outputs % 4 == 0)
    read = w.size // prod(geometry.kernel) * sum(elements for count, elements in made if count)
    work = item(dy) * reached(dy, dx, geometry) + 4 * read + dx.bytes, 0
    grid = (row_tiles * column_tiles * geometry.group * prod(geometry.stride), 1, 1)
    products = 2 * dx.shape[0] * outputs * N * sum(count * elements for count, elements in made)
    function = name("conv_input_tiles", MODES[target.math], height, *stored(dy, dx))
    launch = Launch(FILE, function, grid, (TILE_THREADS, 1, 1), (0, Workspace(), 2), scalars, work, products)
    return Plan((sort, launch), w.bytes)


def weight_tiles(dw: Operand, math: str) -> int:
    """Tiles of the gradient of one group's weights."""
    return blocks(dw.shape[0], height_of(dw.shape[0], math)) * blocks(prod(dw.shape[1:]), COLUMNS)


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
    work = item(x) * seen(x, dy, geometry) + dy.bytes + splits * dw.bytes, 0
    function = name("conv_weight_tiles", MODES[target.math], height, *stored(x, dy))
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


def item(operand: Operand) -> int:
    """Bytes of a number."""
    return ITEM_BYTES[operand.dtype]


def reached(y: Operand, x: Operand, geometry: Geometry) -> int:
    """How many numbers of y have a window with any number of x in it."""
    counts = []
    for axis in range(2):
        starts = (at * geometry.stride[axis] - geometry.pad[axis] for at in range(y.shape[1 + axis]))
        offsets = [i * geometry.dilation[axis] for i in range(geometry.kernel[axis])]
        counts.append(sum(any(0 <= start + offset < x.shape[1 + axis] for offset in offsets) for start in starts))
    return y.shape[0] * y.shape[3] * prod(counts)


def seen(x: Operand, y: Operand, geometry: Geometry) -> int:
    """How many numbers of x are in any window."""
    counts = []
    for axis in range(2):
        starts = [at * geometry.stride[axis] - geometry.pad[axis] for at in range(y.shape[1 + axis])]
        inside = {start + i * geometry.dilation[axis] for start in starts for i in range(geometry.kernel[axis])}
        counts.append(len(inside & set(range(x.shape[1 + axis]))))
    return x.shape[0] * x.shape[3] * prod(counts)
