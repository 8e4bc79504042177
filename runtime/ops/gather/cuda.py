"""Launches of concat.cu, reshape.cu and box.cu."""

from __future__ import annotations

from math import prod

import numpy as np

from runtime.kernels.cuda.grids import THREADS, WIDEST, blocks, name, stored, table, width
from runtime.kernels.cuda.registry import HOST_KERNELS, Launch, narrows, plans
from runtime.kernels.operand import Operand
from runtime.ops.gather.box import Box

HOST_KERNELS.add("select_images")  # the host has to know how many there are


def columns(function: str, arrays: tuple[Operand, Operand], piece: Operand, whole: Operand, offset: int) -> Launch:
    """Copy between `piece` (rows, columns) and its columns of `whole`."""
    count, length = piece.shape
    wide = width(*arrays, run=length)
    if whole.shape[1] % wide or offset % wide:
        wide = 1
    grid, block = table(count, length // wide)
    scalars = (count, length // wide, whole.shape[1] // wide, offset // wide)
    return Launch(
        "concat.cu", name(function, wide, *stored(*arrays)), grid, block, (0, 1), tuple(np.int64(scalar) for scalar in scalars)
    )


@plans
def join_columns(x: Operand, y: Operand, offset: int) -> Launch:
    return columns("join_columns", (x, y), x, y, offset)


@plans
def take_columns(x: Operand, y: Operand, offset: int) -> Launch:
    return columns("take_columns", (x, y), y, x, offset)


narrows("join_columns", 0, 1)
narrows("take_columns", 0, 1)


@plans
def rebatch(x: Operand, y: Operand) -> Launch:
    fresh, images = y.shape
    wide = width(y, run=images)
    scalars = tuple(np.int64(number) for number in (*x.shape, fresh, images // wide))
    return Launch("reshape.cu", name("rebatch", wide), (blocks(y.size // wide), 1, 1), (THREADS, 1, 1), (0, 1), scalars)


@plans
def copy_box(x: Operand, y: Operand, box: Box) -> Launch:
    rows = (*box.x_strides[:-1], *box.y_strides[:-1], box.x_offset, box.y_offset, box.extents[-1])
    whole = (box.x_strides[-1], box.y_strides[-1]) == (1, 1) and not any(number % WIDEST for number in rows)
    wide = width(x, y) if whole else 1
    extents = (*box.extents[:-1], box.extents[-1] // wide)
    xs, ys = ((*(stride // wide for stride in strides[:-1]), strides[-1]) for strides in (box.x_strides, box.y_strides))
    scalars = (*extents, *xs, *ys, box.x_offset // wide, box.y_offset // wide)
    grid = (blocks(prod(extents)), 1, 1)
    function = name("copy_box", wide, *stored(x, y))
    return Launch("box.cu", function, grid, (THREADS, 1, 1), (0, 1), tuple(np.int64(number) for number in scalars))


narrows("copy_box", 0, 1)


@plans
def sum_tiles(dy: Operand, dx: Operand) -> Launch:
    rows, tiles, columns = dy.shape
    wide = width(dy, dx, run=columns)
    scalars = tuple(np.int64(number) for number in (rows, tiles, columns // wide))
    return Launch("box.cu", name("sum_tiles", wide), (blocks(rows * columns // wide), 1, 1), (THREADS, 1, 1), (0, 1), scalars)


@plans
def take_images(x: Operand, order: Operand, y: Operand) -> Launch:
    wide = width(order, y, run=y.shape[1])
    scalars = tuple(np.int64(number) for number in (y.shape[0], x.shape[1], y.shape[1] // wide))
    return Launch("box.cu", name("take_images", wide), (blocks(y.size // wide), 1, 1), (THREADS, 1, 1), (0, 1, 2), scalars)


@plans
def add_images(dy: Operand, order: Operand, dx: Operand) -> Launch:
    wide = width(dx, run=dx.shape[1])
    scalars = tuple(np.int64(number) for number in (dx.shape[0], dy.shape[1], dx.shape[1] // wide))
    return Launch("box.cu", name("add_images", wide), (blocks(dx.size // wide), 1, 1), (THREADS, 1, 1), (0, 1, 2), scalars)
