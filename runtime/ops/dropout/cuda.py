"""Launches of dropout.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, name, stored
from runtime.kernels.cuda.grids import width as packs
from runtime.kernels.cuda.registry import Launch, narrows, plans
from runtime.kernels.operand import Operand

FILE = "dropout.cu"
PER_THREAD = 4  # elements: the words that Philox makes at once


@plans
def dropout(x: Operand, iteration: Operand, y: Operand, key: tuple[int, int], threshold: int, factor: float) -> Launch:
    grid = (blocks(-(-y.size // PER_THREAD)), 1, 1)
    return Launch(
        FILE, name("dropout", packs(x, y), *stored(x, y)), grid, (THREADS, 1, 1), (0, 1, 2), scalars(y, key, threshold, factor)
    )


narrows("dropout", 0, 2)


@plans
def dropout_region(
    x: Operand, iteration: Operand, y: Operand, key: tuple[int, int], threshold: int, factor: float, first: int, width: int,
    pitch: int,
) -> Launch:  # fmt: skip
    gapless = width >= y.size
    whole = all(number % PER_THREAD == 0 for number in ((first,) if gapless else (first, width, pitch)))
    wide = packs(x, y) if whole else 1
    numbers = np.int64(first), np.int64(width), np.int64(pitch)
    grid = (blocks(-(-y.size // wide)), 1, 1)
    function = name("dropout_region", wide)
    return Launch(FILE, function, grid, (THREADS, 1, 1), (0, 1, 2), (*scalars(y, key, threshold, factor), *numbers))


def scalars(y: Operand, key: tuple[int, int], threshold: int, factor: float) -> tuple[np.generic, ...]:
    return np.int64(y.size), np.uint32(key[0]), np.uint32(key[1]), np.uint32(threshold), np.float32(factor)
