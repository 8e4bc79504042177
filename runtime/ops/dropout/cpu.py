"""Dropout (Hinton et al. 2012), scaled in training so that testing needs nothing (Caffe's dropout_layer.cpp)."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import BLOCK, blocks, inner, jit
from runtime.kernels.cpu.philox import DROPOUT_STREAM, HALF, WORD, philox
from runtime.kernels.cpu.registry import kernel

LOW_BITS = np.uint64(8)  # a word's upper 24 bits are the float in [0, 1) that it stands for


@kernel(items=lambda x, iteration, y, key, threshold, factor: blocks(y.size), flops=1)
@jit
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


@inner
def masked_run(source, out, first, limit, f, turn, k0, k1):
    """out = what dropout makes of `source`, whose elements are numbers `first`, `first` + 1 ... of a blob."""
    stream = np.uint64(DROPOUT_STREAM)
    done = min(-first % 4, out.size)
    whole = done + (out.size - done) // 4 * 4
    for group in range((whole - done) // 4):
        counter = np.uint64((first + done) // 4 + group)
        w0, w1, w2, w3 = philox(counter & WORD, counter >> HALF, turn, stream, k0, k1)
        i = done + 4 * group
        out[i] = source[i] * (f if w0 >> LOW_BITS >= limit else np.float32(0))
        out[i + 1] = source[i + 1] * (f if w1 >> LOW_BITS >= limit else np.float32(0))
        out[i + 2] = source[i + 2] * (f if w2 >> LOW_BITS >= limit else np.float32(0))
        out[i + 3] = source[i + 3] * (f if w3 >> LOW_BITS >= limit else np.float32(0))
    for begin, end in ((0, done), (whole, out.size)):
        for i in range(begin, end):
            counter = np.uint64((first + i) // 4)
            words = philox(counter & WORD, counter >> HALF, turn, stream, k0, k1)
            out[i] = source[i] * (f if words[(first + i) % 4] >> LOW_BITS >= limit else np.float32(0))


@kernel(items=lambda x, iteration, y, *_: blocks(y.size), flops=1)
@jit
def dropout_region(begin, end, x, iteration, y, key, threshold, factor, first, width, pitch):
    """`dropout` of a region of a blob: element e of x is number first + e // width * pitch + e % width of the blob's.

    width: images of the region, or all its elements where they lie in the blob without a gap.  pitch: images of the blob.
    """
    f, limit = np.float32(factor), np.uint64(threshold)
    k0, k1, turn = np.uint64(key[0]), np.uint64(key[1]), np.uint64(iteration[0]) & WORD
    for item in range(begin, end):
        at, last = item * BLOCK, min((item + 1) * BLOCK, y.size)
        while at < last:
            row, column = at // width, at % width
            until = min(last, (row + 1) * width)
            masked_run(x[at:until], y[at:until], first + row * pitch + column, limit, f, turn, k0, k1)
            at = until
