"""Launches of lrn.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, stored, width
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Extent, Launch, narrows, plans
from runtime.kernels.operand import Operand

FILE = "lrn.cu"
WIDEST = 9  # the largest window held in registers
FEW = 128  # threads in a block: each holds many registers
BLOCKS = 4  # of FEW threads that a multiprocessor runs at once, as registers allow it
SHORTEST = 16  # channels in a run: the windows at both ends are read twice


def runs_of(columns: int, group: int, per_group: int, window: int, multiprocessors: int) -> int:
    """How many runs a group's channels are cut into: those whose blocks, wave by wave, take the least time together.

    A wave is what a card's multiprocessors run at once.  It takes as long as one run, the channels read beside it included.
    """

    def duration(runs: int) -> int:
        waves = blocks(blocks(columns, FEW) * group * runs, BLOCKS * multiprocessors)
        return waves * (blocks(per_group, runs) + window - 1)

    return min(range(1, max(1, per_group // SHORTEST) + 1), key=duration)


def across(
    function: str, arrays: tuple[Operand, ...], size: int, group: int, beta: float, target: Target, *numbers: float
) -> Launch:
    """A kernel over (C, positions) with these float parameters; compiled in is whether beta is 0.75, which roots compute."""
    C, positions = arrays[0].shape
    per_group, window = C // group, size // 2 * 2 + 1
    scalars, root = tuple(np.float32(number) for number in numbers), beta == 0.75
    wide = width(*arrays, run=positions)
    columns = positions // wide
    pointers = tuple(range(len(arrays)))
    if window > WIDEST:
        grid: Extent = (blocks(columns), rows(C), 1)
        extents = np.int32(C), np.int64(columns), np.int32(per_group), np.int32(size // 2)
        return Launch(FILE, name(f"{function}_wide", wide, root), grid, (THREADS, 1, 1), pointers, (*extents, *scalars))
    runs = runs_of(columns, group, per_group, window, target.multiprocessors)
    extents = np.int32(C), np.int64(columns), np.int32(per_group), np.int32(runs)
    grid = (blocks(columns, FEW), rows(group * runs), 1)
    called = name(function, wide, window, root, *stored(*arrays))
    return Launch(FILE, called, grid, (FEW, 1, 1), pointers, (*extents, *scalars))


@plans
def lrn_forward(x: Operand, y: Operand, size: int, alpha: float, beta: float, k: float, group: int, target: Target) -> Launch:
    return across("lrn_forward", (x, y), size, group, beta, target, alpha / size, beta, k)


@plans
def lrn_backward(
    x: Operand, dy: Operand, dx: Operand, size: int, alpha: float, beta: float, k: float, group: int, target: Target
) -> Launch:
    return across("lrn_backward", (x, dy, dx), size, group, beta, target, alpha / size, beta, k, -2.0 * alpha * beta / size)


def held(*operands: Operand, size: int, **_: object) -> bool:
    """Whether registers hold a window."""
    return size // 2 * 2 + 1 <= WIDEST


narrows("lrn_forward", 0, 1, when=held)
narrows("lrn_backward", 0, 1, 2, when=held)


def within(function: str, arrays: tuple[Operand, ...], size: int, *numbers: float) -> Launch:
    """A kernel over (C, H, W, N)."""
    C, H, W, N = arrays[0].shape
    wide = width(*arrays, run=N)
    grid = (blocks(elements(H, W, N // wide)), rows(C), 1)
    scalars = *ints(C, H, W, N // wide, size // 2), *(np.float32(number) for number in numbers)
    return Launch(FILE, name(function, wide), grid, (THREADS, 1, 1), tuple(range(len(arrays))), scalars)


@plans
def lrn_within_forward(x: Operand, y: Operand, scale: Operand, size: int, alpha: float, beta: float) -> Launch:
    return within("lrn_within_forward", (x, y, scale), size, alpha / (size * size), beta)


@plans
def lrn_within_backward(
    x: Operand, y: Operand, scale: Operand, dy: Operand, dx: Operand, size: int, alpha: float, beta: float
) -> Launch:
    return within("lrn_within_backward", (x, y, scale, dy, dx), size, beta, -2.0 * alpha * beta / (size * size))
