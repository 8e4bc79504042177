"""Shapes that several families of cases take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from runtime.ir.runs import ELEMENTS
from tests.runtime.kernels.cuda.cases.case import Pair, Shape

BATCHES, CHANNELS = (1, 3, 32, 128), (1, 3, 48, 96)
FLAT = (1, 3, 4, 1023, 4096, ELEMENTS + 5)
COLUMNS = (1, 1, 1), (1, 27, 1), (5, 7, 3), (3, 49, 32), (1, 600, 8), (40, 2, 128), (2, 131, 36)  # (outer, K, inner)


def some_shapes(seed: int, count: int, least: Pair = (1, 1)) -> Iterator[Shape]:
    """`count` shapes (C, H, W, N): every batch in turn, sizes at random but at least `least`; 40000 numbers at most."""
    random = np.random.default_rng(seed)
    while count:
        N, C = BATCHES[count % 4], int(random.choice(CHANNELS))
        H, W = (size + int(random.integers(0, 5)) * 2 for size in least)
        if C * H * W * N <= 40000:
            count -= 1
            yield C, H, W, N
