"""Launches of lrn.cu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, name, rows, stored, width
from runtime.kernels.cuda.occupancy import blocks_at_once
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Extent, Launch, Plan, narrows, plan, plans
from runtime.kernels.operand import Operand, Workspace
from runtime.ops.masked.cuda import masked, summed

FILE = "lrn.cu"
WIDEST = 9  # the largest window held in registers
FUSED = 5  # and the largest that leaves registers for more than the gradient
FEW = 128  # threads in a block: each holds many registers
SHORTEST = 16  # channels in a run: the windows at both ends are read twice
UP = 2.0**24  # what x is multiplied by where k is 0 and beta at most 1


def runs_of(columns: int, group: int, per_group: int, window: int, at_once: int) -> int:
    """How many runs a group's channels are cut into: those whose blocks, wave by wave, take the least time together.

    A wave is what a card runs at once, so many blocks.  It takes as long as one run, the channels read beside it included.
    """

    def duration(runs: int) -> int:
        waves = blocks(blocks(columns, FEW) * group * runs, at_once)
        return waves * (blocks(per_group, runs) + window - 1)

    return min(range(1, max(1, per_group // SHORTEST) + 1), key=duration)


def across(
    function: str, arrays: tuple[Operand, ...], size: int, group: int, alpha: float, beta: float, k: float, target: Target,
    *numbers: float,
) -> Launch:  # fmt: skip
    """A kernel over (C, positions); compiled in is whether beta is 0.75, which roots compute.

    Parameters
    ----------
    numbers: the kernel's last float parameters.
    """
    C, positions = arrays[0].shape
    per_group, window, root = C // group, size // 2 * 2 + 1, beta == 0.75
    up = UP if k == 0 and abs(beta) <= 1 else 1.0
    scalars = tuple(np.float32(number) for number in (alpha / size, beta, k, up, up ** (2 * beta), *numbers))
    wide = width(*arrays, run=positions)
    columns = positions // wide
    pointers = tuple(range(len(arrays)))
    if window > WIDEST:
        grid: Extent = (blocks(columns), rows(C), 1)
        extents = np.int32(C), np.int64(columns), np.int32(per_group), np.int32(size // 2)
        return Launch(FILE, name(f"{function}_wide", wide, root), grid, (THREADS, 1, 1), pointers, (*extents, *scalars))
    made = name(function, wide, window, root, *stored(*arrays))
    runs = runs_of(columns, group, per_group, window, max(1, target.multiprocessors) * blocks_at_once(made, FEW, target))
    extents = np.int32(C), np.int64(columns), np.int32(per_group), np.int32(runs)
    grid = (blocks(columns, FEW), rows(group * runs), 1)
    return Launch(FILE, made, grid, (FEW, 1, 1), pointers, (*extents, *scalars))


@plans
def lrn_forward(x: Operand, y: Operand, size: int, alpha: float, beta: float, k: float, group: int, target: Target) -> Launch:
    return across("lrn_forward", (x, y), size, group, alpha, beta, k, target)


@plans
def lrn_backward(
    x: Operand, dy: Operand, dx: Operand, size: int, alpha: float, beta: float, k: float, group: int, target: Target
) -> Launch:
    return across("lrn_backward", (x, dy, dx), size, group, alpha, beta, k, target, -2.0 * alpha * beta / size)


@plans
def lrn_backward_relu(
    x: Operand, dy: Operand, dx: Operand, size: int, alpha: float, beta: float, k: float, group: int, slope: float, target: Target
) -> Plan:
    """x: what LRN was given, and what ReLU made."""
    arrays, how = (x, dy, dx), (size, group, alpha, beta, k, target, -2.0 * alpha * beta / size)
    if size > FUSED:
        by_itself = replace(across("lrn_backward", arrays, *how), work=(x.bytes + dy.bytes + dx.bytes, (3 * size + 12) * x.size))
        (mask,) = plan("relu_backward", [flat(dx), flat(x), flat(dx)], {"slope": slope}).launches
        assert isinstance(mask, Launch)
        return Plan((by_itself, replace(mask, pointers=(2, 0, 2), work=(x.bytes + 2 * dx.bytes, x.size))))
    return Plan((across("lrn_backward_relu", arrays, *how, slope),))


@plans
def lrn_backward_relu_bias(
    x: Operand, dy: Operand, dx: Operand, db: Operand, size: int, alpha: float, beta: float, k: float, group: int, slope: float,
    target: Target,
) -> Plan:  # fmt: skip
    """The same, and db, the sums over dx (1, channels, rows, columns)."""
    arrays, how = (x, dy, replace(dx, shape=x.shape)), (size, group, alpha, beta, k, target, -2.0 * alpha * beta / size)
    work = x.bytes + dy.bytes + dx.bytes, (3 * size + 14) * x.size
    if size > FUSED:
        summing = masked(arrays[2], x, arrays[2], db, (2, 0, 2), 3, slope)
        return Plan((replace(across("lrn_backward", arrays, *how), work=work), *summing.launches), summing.workspace)
    made = across("lrn_backward_relu_bias", arrays, *how, slope)
    return summed(replace(made, pointers=(0, 1, 2, Workspace()), work=work), db, 3)


def held(*operands: Operand, size: int, **_: object) -> bool:
    """Whether registers hold a window."""
    return size // 2 * 2 + 1 <= WIDEST


narrows("lrn_forward", 0, 1, when=held)
for _kernel in ("lrn_backward", "lrn_backward_relu", "lrn_backward_relu_bias"):
    narrows(_kernel, 0, 1, 2, when=held)


def flat(operand: Operand) -> Operand:
    return replace(operand, shape=(operand.size,))


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
