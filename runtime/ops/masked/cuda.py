"""Launches of masked.cu, and what other kernels need that mask a gradient and sum it (masked.cuh)."""

from __future__ import annotations

from math import prod

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, name, rows, stored, width
from runtime.kernels.cuda.registry import Launch, Plan, narrows, plans
from runtime.kernels.operand import Operand, Pointer, Workspace

FILE = "masked.cu"
WARP = 32


def power_of_two(least: int, most: int = THREADS) -> int:
    """The number of threads, at least a warp's, that are enough for so many things, or `most`."""
    return max(WARP, min(most, 1 << max(least - 1, 0).bit_length()))


def summed(launch: Launch, db: Operand, result: int) -> Plan:
    """A launch whose kernel puts each warp's sums into the workspace, and then what adds those up.

    Parameters
    ----------
    launch: one row of blocks, each of one row of threads, for a row of numbers; its work without those sums.
    result: which array db is.
    """
    warps = launch.grid[0] * prod(launch.block) // WARP
    threads, partial = power_of_two(warps), 4 * db.size * warps
    assert launch.work is not None
    moved, flops = launch.work
    made = Launch(
        launch.file, launch.function, launch.grid, launch.block, launch.pointers, launch.scalars, (moved + partial, flops)
    )
    work = partial + db.bytes, db.size * warps
    total = Launch(
        FILE, name("sum_warps", threads), (db.size, 1, 1), (threads, 1, 1), (Workspace(), result), (np.int64(warps),), work
    )
    return Plan((made, total), partial)


def masked(
    dy: Operand, y: Operand, dx: Operand, db: Operand, pointers: tuple[Pointer, Pointer, Pointer], result: int, slope: float
) -> Plan:
    """dx = dy masked by y, and db its sums; pointers: of the first three.  Rows are what db has of."""
    row = dx.size // db.size
    wide = width(dy, y, dx, run=row)
    packs = row // wide
    threads = power_of_two(packs)
    scalars = np.int64(db.size), np.int64(packs), np.float32(slope)
    work = dy.bytes + y.bytes + dx.bytes, 2 * dx.size
    grid = blocks(packs, threads), rows(db.size), 1
    launch = Launch(
        FILE, name("relu_backward_bias", wide, *stored(dy, y, dx)), grid, (threads, 1, 1), (*pointers, Workspace()), scalars, work
    )
    return summed(launch, db, result)


@plans
def relu_backward_bias(dy: Operand, y: Operand, dx: Operand, db: Operand, slope: float) -> Plan:
    return masked(dy, y, dx, db, (0, 1, 2), 3, slope)


narrows("relu_backward_bias", 0, 1, 2)
