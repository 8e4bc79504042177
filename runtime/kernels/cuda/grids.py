"""How many threads a launch has, and how many numbers each of them takes at once."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.ir.program import NARROW
from runtime.kernels.cuda.registry import Extent, Launch
from runtime.kernels.operand import Operand, Pointer

THREADS = 256  # in a block, where nothing says otherwise
WIDEST = 4  # floats in 16 bytes, the widest load
NARROW_TYPE = "bf16"  # common.cuh's
MOST_ROWS = 65535  # what a grid's y and z may be


def width(*operands: Operand, run: int | None = None) -> int:
    """How many numbers a thread takes: 4 where every address, and the length of a contiguous run if it matters, allow it."""
    whole = run is None or run % WIDEST == 0
    return WIDEST if whole and all(operand.fits(WIDEST) for operand in operands) else 1


def blocks(threads: int, size: int = THREADS) -> int:
    """How many blocks of `size` threads."""
    return max(1, -(-threads // size))


def rows(count: int) -> int:
    """A grid's extent in y or z over this many rows; the kernel strides over those beyond."""
    return max(1, min(count, MOST_ROWS))


def name(function: str, *constants: Any) -> str:
    """A function with its template arguments as C++ writes them."""
    arguments = ", ".join(str(c).lower() if isinstance(c, bool) else str(c) for c in constants)
    return f"{function}<{arguments}>"


def stored(*operands: Operand) -> tuple[str, ...]:
    """Template arguments: how each of these lies in memory; none where all are float, which is what kernels take by default."""
    narrow = [operand.dtype == NARROW for operand in operands]
    return tuple(NARROW_TYPE if each else "float" for each in narrow) if any(narrow) else ()


def flat(
    file: str, function: str, operands: tuple[Operand, ...], *scalars: np.generic, y: int = -1, typed: tuple[int, ...] | None = None
) -> Launch:
    """A kernel over flat arrays of one size, a pack to a thread: function<V>(arrays..., size, scalars...).

    Parameters
    ----------
    y: index of an array that has that size; the arrays of another size are numbers that the kernel reads.
    typed: which arrays may be bfloat16, in the order of the kernel's template arguments; default: all.
    """
    size = operands[y].size
    wide = width(*(operand for operand in operands if operand.size == size))
    types = stored(*(operands if typed is None else (operands[index] for index in typed)))
    threads = size // wide + size % wide
    pointers: tuple[Pointer, ...] = tuple(range(len(operands)))
    grid: Extent = (blocks(threads), 1, 1)
    return Launch(file, name(function, wide, *types), grid, (THREADS, 1, 1), pointers, (np.int64(size), *scalars))


def ints(*values: int) -> tuple[np.int32, ...]:
    """Numbers that the kernel takes as int."""
    return tuple(np.int32(value) for value in values)


def elements(*extents: int) -> int:
    """A product that kernels hold in an int.

    Raises
    ------
    NetdefError: it is larger than that.
    """
    if prod(extents) >= 1 << 31:
        counted = " x ".join(map(str, extents))
        message = f"{counted} numbers in one channel are more than the kernels for a GPU count"
        raise NetdefError(message, hint="take a smaller batch")
    return prod(extents)


def table(count: int, columns: int) -> tuple[Extent, Extent]:
    """Grid and block over `count` rows (y) of `columns` packs (x): short rows share a block."""
    across = min(THREADS, 1 << max(columns - 1, 0).bit_length())
    down = THREADS // across
    return (blocks(columns, across), rows(blocks(count, down)), 1), (across, down, 1)
