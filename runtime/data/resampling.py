"""Images of bytes brought to another size: the bits of Pillow's bilinear resize, in a fraction of its time.

Pillow (src/libImaging/Resample.c) weighs the pixels that one of the result covers by a triangle, in whole numbers: first those of a
row, rounded to bytes, then the rows.  From version 13 on it sometimes takes the columns first, which gives other bits: not here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.pixels import CHANNELS, ROWS, SHIFT, SIZE, weigh_pixels

Weights = tuple[NDArray[np.int64], NDArray[np.int32]]
KEPT = 256  # pairs of sizes whose weights are kept


def resample(image: NDArray[Any], size: tuple[int, int], box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """The box (left, top, right, bottom) of an image of bytes (H, W, C), brought to (height, width)."""
    (height, width), channels = size, image.shape[2]
    image = np.ascontiguousarray(image)
    down, across = weights(image.shape[0], box[1], box[3], height), weights(image.shape[1], box[0], box[2], width)
    first, last = int(down[0][0]), int(down[0][-1]) + down[1].shape[1]
    between = np.empty((last - first, width * channels + SIZE), np.uint8)
    out = np.empty((height, width, channels), np.uint8)
    _across(image, first, *across, between)
    _down(between, down[0] - first, down[1], np.empty(width * channels, np.int32), out.reshape(height, -1))
    return out


@lru_cache(KEPT)
def weights(length: int, begin: float, end: float, count: int) -> Weights:
    """How a line of `length` pixels from `begin` to `end` becomes one of `count`.

    Returns the first pixel that each takes, and the weights (count, taps) of that one and those behind it, in units of 2^-SHIFT.
    """
    low, high = np.float32(begin), np.float32(end)  # Pillow's boxes
    scale = float(high - low) / count
    reach = max(scale, 1.0)
    centre = float(low) + (np.arange(count) + 0.5) * scale
    begins = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    ends = np.minimum((centre + reach + 0.5).astype(np.int64), length)
    taps = int((ends - begins).max())
    first = np.minimum(begins, length - taps)
    pixels = first[:, None] + np.arange(taps)
    share = np.maximum(1 - np.abs((pixels - centre[:, None] + 0.5) * (1 / reach)), 0)
    share[(pixels < begins[:, None]) | (pixels >= ends[:, None])] = 0
    total = np.zeros(count)
    for tap in range(taps):  # in this order
        total += share[:, tap]
    return first, (share / total[:, None] * (1 << SHIFT) + 0.5).astype(np.int32)


@jit
def _across(image: Any, first: int, starts: Any, shares: Any, between: Any) -> None:
    """Rows of `between` = rows of the image from `first` on, brought to the result's width."""
    columns, channels, count, taps = image.shape[1], image.shape[2], between.shape[0], shares.shape[1]
    pixels, flat, out, length = image.reshape(-1), shares.reshape(-1), between.reshape(-1), between.shape[1]
    followed = min(count, image.shape[0] - 1 - first)  # rows with a byte behind them
    done = followed if channels == CHANNELS and followed >= ROWS else 0
    for row in range(0, done, ROWS):
        own = min(row, done - ROWS)
        for x in range(starts.size):
            at = ((first + own) * columns + starts[x]) * CHANNELS
            weigh_pixels(pixels, at, columns * CHANNELS, flat, x * taps, taps, out, own * length + x * CHANNELS, length)
    for row in range(done, count):
        for x in range(starts.size):
            at = ((first + row) * columns + starts[x]) * channels
            for channel in range(channels):
                total = 1 << (SHIFT - 1)
                for tap in range(taps):
                    total += np.int64(pixels[at + tap * channels + channel]) * shares[x, tap]
                between[row, x * channels + channel] = total >> SHIFT


@jit
def _down(between: Any, starts: Any, shares: Any, total: Any, out: Any) -> None:
    """Rows of the result = sums of rows of `between`."""
    for y in range(out.shape[0]):
        total[:] = 1 << (SHIFT - 1)
        for tap in range(shares.shape[1]):
            row, share = between[starts[y] + tap], shares[y, tap]
            for i in range(total.size):
                total[i] += np.int32(row[i]) * share
        for i in range(total.size):
            out[y, i] = total[i] >> SHIFT
