"""Local response normalisation across channels and within one (Krizhevsky et al. 2012, 3.3; Caffe's lrn_layer.cpp).

    scale[c] = k + alpha / size * sum(x[j] ** 2 for the size channels j around c, inside c's group)
    y[c]  = x[c] * scale[c] ** -beta
    dx[c] = dy[c] * scale[c] ** -beta - 2 alpha beta / size * x[c] * sum(dy[j] * y[j] / scale[j] for the same j)

`scale` is not kept for backward: computing it anew from x costs less than writing and reading it.
"""

from __future__ import annotations

import math

import numpy as np

from runtime.kernels.cpu.jit import inner, jit, shared
from runtime.kernels.cpu.registry import kernel

ROWS = 5  # rows that square_sum and ring_sum add up at a time


@shared
def lrn_run(positions):
    """How many of a channel's elements (height x width x images) an item takes: long rows, yet some 16 items for the workers."""
    return min(max(positions // 256 * 16, 512), 4096)


@inner
def square_sum(x, low, high, start, out, zeros):
    """out = sum of x[j, start:] ** 2 over the rows j in [low, high), five a pass; a missing row is read from `zeros`."""
    n = out.size
    for first in range(low, high, ROWS):
        a = x[first, start : start + n]
        b = x[first + 1, start : start + n] if first + 1 < high else zeros
        c = x[first + 2, start : start + n] if first + 2 < high else zeros
        d = x[first + 3, start : start + n] if first + 3 < high else zeros
        e = x[first + 4, start : start + n] if first + 4 < high else zeros
        if first == low:
            for i in range(n):
                out[i] = a[i] * a[i] + b[i] * b[i] + c[i] * c[i] + d[i] * d[i] + e[i] * e[i]
        else:
            for i in range(n):
                out[i] += a[i] * a[i] + b[i] * b[i] + c[i] * c[i] + d[i] * d[i] + e[i] * e[i]


@inner
def ring_sum(ring, low, high, out, zeros):
    """out = sum of ring[j % len(ring)] over j in [low, high), five a pass."""
    size = ring.shape[0]
    i0 = low % size
    for first in range(low, high, ROWS):
        i1 = i0 + 1 if i0 + 1 < size else 0
        i2 = i1 + 1 if i1 + 1 < size else 0
        i3 = i2 + 1 if i2 + 1 < size else 0
        i4 = i3 + 1 if i3 + 1 < size else 0
        a = ring[i0]
        b = ring[i1] if first + 1 < high else zeros
        c = ring[i2] if first + 2 < high else zeros
        d = ring[i3] if first + 3 < high else zeros
        e = ring[i4] if first + 4 < high else zeros
        i0 = i4 + 1 if i4 + 1 < size else 0
        if first == low:
            for i in range(out.size):
                out[i] = a[i] + b[i] + c[i] + d[i] + e[i]
        else:
            for i in range(out.size):
                out[i] += a[i] + b[i] + c[i] + d[i] + e[i]


def _items(x, *_):
    return -(-x.shape[1] // lrn_run(x.shape[1]))


@kernel(items=_items, scratch=lambda x, *_: 2 * lrn_run(x.shape[1]), flops=lambda x, y, size, *_: (2 * size + 6) * x.size)
@jit
def lrn_forward(begin, end, x, y, scratch, size, alpha, beta, k, group):
    """x, y (C, positions).  An item is a run of positions; scratch: 2 runs."""
    C, positions = x.shape
    run = lrn_run(positions)
    a, b, k0 = np.float32(alpha / size), np.float32(-beta), np.float32(k)
    half, per_group = size // 2, C // group
    for item in range(begin, end):
        start = item * run
        n = min(run, positions - start)
        total, zeros = scratch[:n], scratch[run : run + n]
        zeros[:] = 0
        for c in range(C):
            first = c - c % per_group
            square_sum(x, max(c - half, first), min(c + half + 1, first + per_group), start, total, zeros)
            source, out = x[c, start : start + n], y[c, start : start + n]
            if beta == 0.75:
                for i in range(n):
                    root = np.float32(1) / math.sqrt(k0 + a * total[i])
                    out[i] = source[i] * (root * math.sqrt(root))
            else:
                for i in range(n):
                    out[i] = source[i] * (k0 + a * total[i]) ** b


@kernel(
    items=_items,
    scratch=lambda x, dy, dx, size, *_: (size + 2) * lrn_run(x.shape[1]),
    flops=lambda x, dy, dx, size, *_: (3 * size + 12) * x.size,
)
@jit
def lrn_backward(begin, end, x, dy, dx, scratch, size, alpha, beta, k, group):
    """x, dy, dx (C, positions).  An item is a run of positions; scratch: size + 2 runs.

    Goes through the channels once: `ring` holds dy * y / scale of the last `size` channels, and each channel's dx is completed
    half a window behind.
    """
    C, positions = x.shape
    run = lrn_run(positions)
    a, b, k0 = np.float32(alpha / size), np.float32(-beta), np.float32(k)
    factor = np.float32(-2.0 * alpha * beta / size)
    half, per_group = size // 2, C // group
    for item in range(begin, end):
        start = item * run
        n = min(run, positions - start)
        total, zeros = scratch[:n], scratch[run : run + n]
        ring = scratch[2 * run : (2 + size) * run].reshape(size, run)
        zeros[:] = 0
        for first in range(0, C, per_group):
            last = first + per_group
            for c in range(first, last + half):
                if c < last:
                    square_sum(x, max(c - half, first), min(c + half + 1, last), start, total, zeros)
                    source, gradient = x[c, start : start + n], dy[c, start : start + n]
                    out, ratio = dx[c, start : start + n], ring[c % size, :n]
                    if beta == 0.75:
                        for i in range(n):
                            root = np.float32(1) / math.sqrt(k0 + a * total[i])
                            power = gradient[i] * (root * math.sqrt(root))
                            out[i] = power
                            ratio[i] = power * source[i] * (root * root)
                    else:
                        for i in range(n):
                            s = k0 + a * total[i]
                            power = gradient[i] * s**b
                            out[i] = power
                            ratio[i] = power * source[i] / s
                done = c - half
                if done < first:
                    continue
                ring_sum(ring, max(done - half, first), min(done + half + 1, last), total, zeros)
                source, out = x[done, start : start + n], dx[done, start : start + n]
                for i in range(n):
                    out[i] += factor * source[i] * total[i]


@kernel(
    items=lambda x, *_: x.shape[0] * x.shape[1],
    scratch=lambda x, *_: x.shape[2] * x.shape[3],
    flops=lambda x, y, scale, size, *_: (2 * size**2 + 6) * x.size,
)
@jit
def lrn_within_forward(begin, end, x, y, scale, scratch, size, alpha, beta):
    """The window is size x size positions of one channel, the sum divided by size ** 2, k = 1 (Caffe's rules).

    x, y, scale (C, H, W, N).  An item is one row of one channel; scratch: 1 row.
    """
    _, H, W, N = x.shape
    a, b, half = np.float32(alpha / (size * size)), np.float32(-beta), size // 2
    column = scratch[: W * N]
    for item in range(begin, end):
        c, h = item // H, item % H
        column[:] = 0
        for j in range(max(h - half, 0), min(h + half + 1, H)):
            source = x[c, j].reshape(W * N)
            for i in range(W * N):
                column[i] += source[i] * source[i]
        for w in range(W):
            total = scale[c, h, w]
            total[:] = 0
            for j in range(max(w - half, 0), min(w + half + 1, W)):
                for n in range(N):
                    total[n] += column[j * N + n]
            source, out = x[c, h, w], y[c, h, w]
            for n in range(N):
                total[n] = np.float32(1) + a * total[n]
                out[n] = source[n] * total[n] ** b


@kernel(
    items=lambda x, *_: x.shape[0] * x.shape[1],
    scratch=lambda x, *_: x.shape[2] * x.shape[3],
    flops=lambda x, y, scale, dy, dx, size, *_: (2 * size**2 + 8) * x.size,
)
@jit
def lrn_within_backward(begin, end, x, y, scale, dy, dx, scratch, size, alpha, beta):
    """x, y, scale, dy, dx (C, H, W, N).  An item is one row of one channel; scratch: 1 row."""
    _, H, W, N = x.shape
    factor, b, half = np.float32(-2.0 * alpha * beta / (size * size)), np.float32(-beta), size // 2
    column = scratch[: W * N]
    for item in range(begin, end):
        c, h = item // H, item % H
        column[:] = 0
        for j in range(max(h - half, 0), min(h + half + 1, H)):
            gradient, out, s = dy[c, j].reshape(W * N), y[c, j].reshape(W * N), scale[c, j].reshape(W * N)
            for i in range(W * N):
                column[i] += gradient[i] * out[i] / s[i]
        for w in range(W):
            total = dx[c, h, w]
            total[:] = 0
            for j in range(max(w - half, 0), min(w + half + 1, W)):
                for n in range(N):
                    total[n] += column[j * N + n]
            source, gradient, s = x[c, h, w], dy[c, h, w], scale[c, h, w]
            for n in range(N):
                total[n] = gradient[n] * s[n] ** b + factor * source[n] * total[n]
