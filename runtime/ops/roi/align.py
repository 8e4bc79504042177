"""ROIAlign (He et al. 2017): the mean of a grid of interpolated samples in each bin, corners not rounded.

A sample's weights are products of one for its row and one for its column, and so are those of a bin: y = sum of a(h) b(w) x[h, w].
"""

from __future__ import annotations

import math

import numpy as np

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.roi.boxes import exact, image_of

ZERO, ONE = np.float32(0), np.float32(1)


@exact
def side(low, high, scale, bins, samples):
    """(start, length of a bin, samples in a bin) of a side; 0 samples ask for about one a pixel."""
    f = np.float32(scale)
    start = low * f
    length = max(high * f - start, ONE) / np.float32(bins)
    return start, length, samples if samples > 0 else np.int64(math.ceil(length))


@exact
def sample(start, length, bin_, index, count, size):
    """(lower pixel, upper pixel, weight of the lower, of the upper) of a sample; weights of 0 beyond the image."""
    at = start + np.float32(bin_) * length + (np.float32(index) + np.float32(0.5)) * length / np.float32(count)
    if at < -ONE or at > np.float32(size):
        return np.int64(0), np.int64(0), ZERO, ZERO
    at = max(at, ZERO)
    low = np.int64(at)
    if low >= size - 1:
        return np.int64(size - 1), np.int64(size - 1), ONE, ZERO
    upper = at - np.float32(low)
    return low, low + 1, ONE - upper, upper


@kernel(items=lambda x, *_: x.shape[0], flops=8)
@jit
def roi_align_forward(begin, end, x, rois, y, scale, samples):
    """y (C, PH, PW, R) from x (C, H, W, N).  Item: a channel."""
    _, H, W, N = x.shape
    _, PH, PW, R = y.shape
    for c in range(begin, end):
        for r in range(R):
            n = image_of(rois, r, N)
            left, width, across = side(rois[1, r], rois[3, r], scale, PW, samples)
            top, height, down = side(rois[2, r], rois[4, r], scale, PH, samples)
            for ph in range(PH):
                for pw in range(PW):
                    total = ZERO
                    for i in range(down if n >= 0 else 0):
                        h0, h1, a0, a1 = sample(top, height, ph, i, down, H)
                        for j in range(across):
                            w0, w1, b0, b1 = sample(left, width, pw, j, across, W)
                            upper = b0 * x[c, h0, w0, n] + b1 * x[c, h0, w1, n]
                            lower = b0 * x[c, h1, w0, n] + b1 * x[c, h1, w1, n]
                            total += a0 * upper + a1 * lower
                    y[c, ph, pw, r] = total / np.float32(down * across)


@kernel(items=lambda dy, rois, dx, scale, samples: dx.shape[0], flops=8)
@jit
def roi_align_backward(begin, end, dy, rois, dx, scale, samples):
    """dx (C, H, W, N) = each sample's share of dy, by its weights.  Item: a channel."""
    _, PH, PW, R = dy.shape
    _, H, W, N = dx.shape
    for c in range(begin, end):
        dx[c] = ZERO
        for r in range(R):
            n = image_of(rois, r, N)
            left, width, across = side(rois[1, r], rois[3, r], scale, PW, samples)
            top, height, down = side(rois[2, r], rois[4, r], scale, PH, samples)
            for ph in range(PH if n >= 0 else 0):
                for pw in range(PW):
                    share = dy[c, ph, pw, r] / np.float32(down * across)
                    for i in range(down):
                        h0, h1, a0, a1 = sample(top, height, ph, i, down, H)
                        for j in range(across):
                            w0, w1, b0, b1 = sample(left, width, pw, j, across, W)
                            dx[c, h0, w0, n] += share * a0 * b0
                            dx[c, h0, w1, n] += share * a0 * b1
                            dx[c, h1, w0, n] += share * a1 * b0
                            dx[c, h1, w1, n] += share * a1 * b1
