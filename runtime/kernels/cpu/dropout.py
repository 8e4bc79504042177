"""Dropout (Hinton et al. 2012), scaled in training so that testing needs nothing (Caffe's dropout_layer.cpp)."""

from __future__ import annotations

import numpy as np
from numba import njit

from runtime.kernels.cpu.jit import BLOCK, JIT, blocks
from runtime.kernels.cpu.philox import DROPOUT_STREAM, HALF, WORD, philox
from runtime.kernels.registry import kernel

LOW_BITS = np.uint64(8)  # a word's upper 24 bits are the float in [0, 1) that it stands for


@kernel(items=lambda x, iteration, y, key, threshold, factor: blocks(y.size))
@njit(**JIT)
def dropout(begin, end, x, iteration, y, key, threshold, factor):
    """y = factor * x where the element's random number is at least threshold / 2 ** 24, else 0.  Flat arrays.

    Forward and backward alike: the mask is drawn again from `key` and `iteration`, not kept.
    """
    f, limit = np.float32(factor), np.uint64(threshold)
    k0, k1, turn, stream = np.uint64(key[0]), np.uint64(key[1]), np.uint64(iteration[0]) & WORD, np.uint64(DROPOUT_STREAM)
    for item in range(begin, end):
        start = item * BLOCK
        source, out = x[start : start + BLOCK], y[start : start + BLOCK]
        for group in range(out.size // 4):
            counter = np.uint64(start // 4 + group)
            w0, w1, w2, w3 = philox(counter & WORD, counter >> HALF, turn, stream, k0, k1)
            i = 4 * group
            out[i] = source[i] * (f if w0 >> LOW_BITS >= limit else np.float32(0))
            out[i + 1] = source[i + 1] * (f if w1 >> LOW_BITS >= limit else np.float32(0))
            out[i + 2] = source[i + 2] * (f if w2 >> LOW_BITS >= limit else np.float32(0))
            out[i + 3] = source[i + 3] * (f if w3 >> LOW_BITS >= limit else np.float32(0))
        whole = out.size // 4 * 4
        counter = np.uint64((start + whole) // 4)
        words = philox(counter & WORD, counter >> HALF, turn, stream, k0, k1)
        for i in range(whole, out.size):
            out[i] = source[i] * (f if words[i - whole] >> LOW_BITS >= limit else np.float32(0))
