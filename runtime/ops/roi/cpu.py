"""The largest, the mean or interpolated values of regions of interest in x (C, H, W, N), bin by bin: y (C, PH, PW, R).

What defines them: roi_pooling_layer.cu of Fast R-CNN's Caffe, psroi_pooling_layer.cu of R-FCN's.  align.py has ROIAlign.
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.roi import align as _align  # noqa: F401 - registers its kernels
from runtime.ops.roi.boxes import covered, image_of, pixels, rounded, span

ZERO = np.float32(0)


@kernel(items=lambda x, *_: x.shape[0], flops=1)
@jit
def roi_max_forward(begin, end, x, rois, y, argmax, scale):
    """y = the largest element of each bin, argmax its row * W + column, -1 and 0 of a bin without pixels.  Item: a channel."""
    _, H, W, N = x.shape
    _, PH, PW, R = y.shape
    f = np.float32(scale)
    for c in range(begin, end):
        for r in range(R):
            n = image_of(rois, r, N)
            left, top = rounded(rois[1, r] * f), rounded(rois[2, r] * f)
            right, bottom = rounded(rois[3, r] * f), rounded(rois[4, r] * f)
            for ph in range(PH):
                h0, h1 = pixels(top, bottom, PH, ph, H)
                for pw in range(PW):
                    w0, w1 = pixels(left, right, PW, pw, W)
                    best, where = ZERO, -1
                    if n >= 0 and h1 > h0 and w1 > w0:
                        best, where = x[c, h0, w0, n], h0 * W + w0
                        for h in range(h0, h1):
                            for w in range(w0, w1):
                                if x[c, h, w, n] > best:
                                    best, where = x[c, h, w, n], h * W + w
                    y[c, ph, pw, r], argmax[c, ph, pw, r] = best, where


@kernel(items=lambda dy, rois, argmax, dx: dx.shape[0], flops=1)
@jit
def roi_max_backward(begin, end, dy, rois, argmax, dx):
    """dx = the sum of dy over the bins whose largest element this was, in order.  Item: a channel."""
    _, PH, PW, R = dy.shape
    _, _, W, N = dx.shape
    for c in range(begin, end):
        dx[c] = ZERO
        for r in range(R):
            n = image_of(rois, r, N)
            for ph in range(PH):
                for pw in range(PW):
                    where = argmax[c, ph, pw, r]
                    if n >= 0 and where >= 0:
                        dx[c, where // W, where % W, n] += dy[c, ph, pw, r]


@kernel(items=lambda x, rois, y, scale: y.shape[0], flops=1)
@jit
def psroi_forward(begin, end, x, rois, y, scale):
    """y (D, G, G, R) = the mean of each bin of x (D * G * G, H, W, N), each bin in a channel of its own.  Item: one of D."""
    _, H, W, N = x.shape
    _, G, _, R = y.shape
    for d in range(begin, end):
        for r in range(R):
            n = image_of(rois, r, N)
            left, width = span(rois[1, r], rois[3, r], scale, G)
            top, height = span(rois[2, r], rois[4, r], scale, G)
            for gh in range(G):
                h0, h1 = covered(top, height, gh, H)
                for gw in range(G):
                    w0, w1 = covered(left, width, gw, W)
                    total, count = ZERO, (h1 - h0) * (w1 - w0)
                    if n >= 0 and h1 > h0 and w1 > w0:
                        for h in range(h0, h1):
                            for w in range(w0, w1):
                                total += x[(d * G + gh) * G + gw, h, w, n]
                        total /= np.float32(count)
                    y[d, gh, gw, r] = total


@kernel(items=lambda dy, rois, dx, scale: dx.shape[0], flops=1)
@jit
def psroi_backward(begin, end, dy, rois, dx, scale):
    """dx = the sum over regions of dy / the pixels of the bin that this channel is for.  Item: a channel."""
    _, G, _, R = dy.shape
    _, H, W, N = dx.shape
    for c in range(begin, end):
        dx[c] = ZERO
        d, gh, gw = c // (G * G), c // G % G, c % G
        for r in range(R):
            n = image_of(rois, r, N)
            left, width = span(rois[1, r], rois[3, r], scale, G)
            top, height = span(rois[2, r], rois[4, r], scale, G)
            (h0, h1), (w0, w1) = covered(top, height, gh, H), covered(left, width, gw, W)
            if n >= 0 and h1 > h0 and w1 > w0:
                share = dy[d, gh, gw, r] / np.float32((h1 - h0) * (w1 - w0))
                for h in range(h0, h1):
                    for w in range(w0, w1):
                        dx[c, h, w, n] += share
