"""Philox4x32-10: random numbers as a pure function of a counter and a key (Salmon et al. 2011, "Parallel random numbers: as easy
as 1, 2, 3"), so that any device and any thread can make any of them.

A layer's numbers: key = (the run's seed, crc32 of the layer's name); counter = (element // 4, its high word, iteration, stream).
Element is the flat index in internal layout, and takes word element % 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cpu.jit import jit

WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # added to the key from round to round
ROUNDS = 10

DROPOUT_STREAM, POOLING_STREAM = 1, 2  # the fourth counter word keeps apart what one layer draws for different ends


def philox_arrays(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any, Any, Any]:
    """Four random words for each counter.  Counters, key and words are 32-bit numbers in uint64, which vectors multiply best."""
    for _ in range(ROUNDS):
        p0, p1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & WORD, (p0 >> HALF) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + WEYL_0) & WORD, (k1 + WEYL_1) & WORD
    return c0, c1, c2, c3


philox = jit(philox_arrays)  # of one counter
