"""Statistics of channels, x (C, R) (Caffe's batch_norm_layer.cpp), and of columns, x (outer, K, inner) (mvn_layer.cpp).

Variances are sums of squared distances from a mean, never E[x^2] - E[x]^2, whose float32 difference has no digits left where the
mean is large.  A channel is read once for its statistics: strip by strip, each twice while it is in the nearest cache.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cpu.jit import BLOCK, inner, jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.normalize import unit as _unit  # noqa: F401 - registers its kernels
from runtime.ops.normalize.scaled import STRIP, ZERO, channel_items, run_items

RUN = 64  # inner positions of one item of columns
ONE = np.float32(1)


@inner
def moments(x):
    """(the mean of a strip, the sum of squared distances from it), float64."""
    total = ZERO
    for i in range(x.size):
        total += x[i]
    about = total / np.float32(x.size)  # the mean but for rounding, which `rest` makes up for
    rest, squares = ZERO, ZERO
    for i in range(x.size):
        d = x[i] - about
        rest += d
        squares += d * d
    off = np.float64(rest) / x.size
    return about + off, squares - off * rest


@kernel(items=lambda x, partials: run_items(partials), flops=5)
@jit
def channel_moments(begin, end, x, partials):
    """partials (C, runs, 2), float64: the mean of each run, and the sum of squared distances from it (Chan et al. 1979)."""
    R, runs = x.shape[1], partials.shape[1]
    for item in range(begin, end):
        c, start = item // runs, item % runs * ELEMENTS
        last = min(start + ELEMENTS, R)
        shift, squares = moments(x[c, start : min(start + STRIP, last)])
        total = 0.0
        for first in range(start + STRIP, last, STRIP):
            strip = x[c, first : min(first + STRIP, last)]
            mean, square = moments(strip)
            total += strip.size * (mean - shift)
            squares += square + strip.size * (mean - shift) * (mean - shift)
        off = total / (last - start)
        partials[c, item % runs, 0], partials[c, item % runs, 1] = shift + off, squares - off * total


@kernel(items=lambda partials, *_: partials.shape[0], flops=1)
@jit
def batch_statistics(begin, end, partials, mean, variance, inverse, count, eps):
    """mean, variance and inverse = 1 / sqrt(variance + eps) (C,) of channels of `count` numbers from the moments of their runs."""
    for c in range(begin, end):
        shift, total, squares = partials[c, 0, 0], 0.0, 0.0
        for run in range(partials.shape[1]):
            size, off = min(ELEMENTS, count - run * ELEMENTS), partials[c, run, 0] - shift
            total += size * off
            squares += partials[c, run, 1] + size * off * off
        off = total / count
        square = (squares - off * total) / count
        square = square if not (square < 0) else 0.0  # rounding below zero; NaN stays NaN, which `max` would hide
        mean[c], variance[c], inverse[c] = shift + off, square, 1 / math.sqrt(square + eps)


@kernel(items=lambda *_: 1, flops=2)
@jit
def global_statistics(begin, end, means, variances, divisor, mean, inverse, eps, unset):
    """mean and inverse = 1 / sqrt(variance + eps) (C,) from running sums and the divisor (1,) of both.

    unset: the factor of the sums where the divisor is 0.
    """
    for _ in range(begin, end):
        f = ONE / divisor[0] if divisor[0] != 0 else np.float32(unset)
        for c in range(mean.size):
            mean[c], inverse[c] = f * means[c], 1 / math.sqrt(np.float64(f * variances[c]) + eps)


@kernel(items=lambda *_: 1, flops=4)
@jit
def running_statistics(
    begin,
    end,
    mean,
    variance,
    added,
    means,
    variances,
    divisor,
    next_means,
    next_variances,
    next_divisor,
    fraction,
    weight,
    correction,
):
    """The running sums after one more batch: next = fraction * before + weight * new, a variance `correction` times as large.

    before: the values that this iteration has come to, or where `added` (1,), how many batches they hold, is 0, those at its start.
    The weight of the first batch of all, before which the divisor is 0, is 1.
    """
    f, first = np.float32(fraction), added[0] == 0
    for _ in range(begin, end):
        old = divisor[0] if first else next_divisor[0]
        w = ONE if old == 0 else np.float32(weight)
        unbiased = w * np.float32(correction)
        next_divisor[0] = f * old + w
        for c in range(mean.size):
            before = means[c] if first else next_means[c]
            next_means[c] = f * before + w * mean[c]
            before = variances[c] if first else next_variances[c]
            next_variances[c] = f * before + unbiased * variance[c]


@kernel(items=channel_items, flops=2)
@jit
def normalize_channels(begin, end, x, mean, inverse, y):
    """y = (x - mean) * inverse."""
    per_channel = -(-x.shape[1] // BLOCK)
    for item in range(begin, end):
        c, start = item // per_channel, item % per_channel * BLOCK
        source, out, m, f = x[c, start : start + BLOCK], y[c, start : start + BLOCK], mean[c], inverse[c]
        for i in range(out.size):
            out[i] = (source[i] - m) * f


@kernel(items=channel_items, flops=4)
@jit
def normalize_channels_backward(begin, end, dy, y, inverse, products, sums, dx):
    """dx = (dy - sums / R - y * products / R) * inverse, with a channel's sums of dy * y and of dy."""
    R = dy.shape[1]
    per_channel = -(-R // BLOCK)
    for item in range(begin, end):
        c, start = item // per_channel, item % per_channel * BLOCK
        gradient, value, out = dy[c, start : start + BLOCK], y[c, start : start + BLOCK], dx[c, start : start + BLOCK]
        f, m, p = inverse[c], np.float32(sums[c] / R), np.float32(products[c] / R)
        for i in range(out.size):
            out[i] = (gradient[i] - m - value[i] * p) * f


def column_items(x: Any, *_: Any) -> int:
    """An item for each RUN of inner positions of an outer index."""
    return x.shape[0] * -(-x.shape[2] // RUN)


@inner
def column_means(x, start, n, mean, total):
    """mean (n,) = the means along K of x (K, inner) from inner position `start` on.  total: n of float64 to work in."""
    for i in range(n):
        total[i] = 0
    for k in range(x.shape[0]):
        row = x[k, start : start + n]
        for i in range(n):
            total[i] += row[i]
    for i in range(n):
        mean[i] = total[i] / x.shape[0]


@kernel(items=column_items, scratch=lambda *_: RUN, flops=2)
@jit
def centre_columns(begin, end, x, y, scratch):
    """y (outer, K, inner) = x - its mean along K.  Scratch: RUN."""
    _, K, inner = x.shape
    per_outer, total = -(-inner // RUN), np.empty(RUN, np.float64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        mean = scratch[:n]
        column_means(x[outer], start, n, mean, total)
        for k in range(K):
            row, out = x[outer, k, start : start + n], y[outer, k, start : start + n]
            for i in range(n):
                out[i] = row[i] - mean[i]


@kernel(items=column_items, scratch=lambda *_: RUN, flops=6)
@jit
def standardize_columns(begin, end, x, y, inverse, scratch, eps):
    """y (outer, K, inner) = (x - its mean along K) * inverse, where inverse (outer, inner) = 1 / (standard deviation + eps).

    Scratch: RUN.
    """
    _, K, inner = x.shape
    per_outer, total = -(-inner // RUN), np.empty(RUN, np.float64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        mean, factor = scratch[:n], inverse[outer, start : start + n]
        column_means(x[outer], start, n, mean, total)
        for i in range(n):
            total[i] = 0
        for k in range(K):
            row = x[outer, k, start : start + n]
            for i in range(n):
                d = row[i] - mean[i]
                total[i] += d * d
        for i in range(n):
            factor[i] = 1 / (math.sqrt(total[i] / K) + eps)
        for k in range(K):
            row, out = x[outer, k, start : start + n], y[outer, k, start : start + n]
            for i in range(n):
                out[i] = (row[i] - mean[i]) * factor[i]


@kernel(items=column_items, scratch=lambda *_: 2 * RUN, flops=7)
@jit
def standardize_columns_backward(begin, end, dy, y, inverse, dx, scratch):
    """dx (outer, K, inner) = (dy - mean of dy - y * mean of dy * y) * inverse (outer, inner), means along K.  Scratch: 2 RUN."""
    _, K, inner = dy.shape
    per_outer, total = -(-inner // RUN), np.empty(RUN, np.float64)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        mean, slope = scratch[:n], scratch[RUN : RUN + n]
        column_means(dy[outer], start, n, mean, total)
        for i in range(n):
            total[i] = 0
        for k in range(K):
            gradient, value = dy[outer, k, start : start + n], y[outer, k, start : start + n]
            for i in range(n):
                total[i] += gradient[i] * value[i]
        for i in range(n):
            slope[i] = total[i] / K
        for k in range(K):
            gradient, value = dy[outer, k, start : start + n], y[outer, k, start : start + n]
            out, factor = dx[outer, k, start : start + n], inverse[outer, start : start + n]
            for i in range(n):
                out[i] = (gradient[i] - mean[i] - value[i] * slope[i]) * factor[i]
