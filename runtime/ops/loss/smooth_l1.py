"""The smooth L1 loss (Girshick 2015) as terms: squares below 1 / sigma^2, lines beyond (smooth_L1_loss_layer.cpp of Fast R-CNN)."""

from __future__ import annotations

import numpy as np

from runtime.ir.runs import ELEMENTS, element_runs
from runtime.kernels.cpu.jit import BLOCK, blocks, jit
from runtime.kernels.cpu.registry import kernel

HALF, ONE = np.float32(0.5), np.float32(1)


@kernel(
    items=lambda a, *_: element_runs(a.size),
    flops=7,
    moved=lambda a, b, i, o, partials, square, *weights: (2 + sum(weights)) * a.bytes + partials.bytes,
)
@jit
def smooth_l1_terms(begin, end, a, b, inside, outside, partials, square, has_inside, has_outside):
    """Sums of outside * f(inside * (a - b)): f(d) = d^2 square / 2 where |d| < 1 / square, else |d| - 1 / (2 square).  Flat arrays.

    inside, outside: read only where there are weights.
    """
    s = np.float32(square)
    for item in range(begin, end):
        total, last = 0.0, min((item + 1) * ELEMENTS, a.size)
        for i in range(item * ELEMENTS, last):
            d = a[i] - b[i]
            if has_inside:
                d *= inside[i]
            size = abs(d)
            term = HALF * d * d * s if size < ONE / s else size - HALF / s
            total += np.float64(term * outside[i] if has_outside else term)
        partials[item, 0], partials[item, 1] = total, last - item * ELEMENTS


@kernel(
    items=lambda a, *_: blocks(a.size),
    flops=7,
    moved=lambda a, b, i, o, dloss, normalizer, dx, square, has_inside, has_outside, sign: (
        (3 + has_inside + has_outside) * a.bytes + dloss.bytes + normalizer.bytes
    ),
)
@jit
def smooth_l1_backward(begin, end, a, b, inside, outside, dloss, normalizer, dx, square, has_inside, has_outside, sign):
    """dx = sign * inside * outside * f'(inside * (a - b)) * dloss / normalizer.  Flat arrays."""
    s, factor = np.float32(square), np.float32(sign) * dloss[0] / normalizer[0]
    for item in range(begin, end):
        for i in range(item * BLOCK, min((item + 1) * BLOCK, a.size)):
            d = a[i] - b[i]
            if has_inside:
                d *= inside[i]
            slope = d * s if abs(d) < ONE / s else (ONE if d > 0 else -ONE if d < 0 else d)  # the last: NaN
            if has_inside:
                slope *= inside[i]
            if has_outside:
                slope *= outside[i]
            dx[i] = factor * slope
