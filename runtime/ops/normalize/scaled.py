"""BatchNorm and the Scale behind it in one kernel, with what stands around them in residual nets: a sum and ReLU.

x (C, R).  y = (x - mean) * inverse * factor + bias, plus `more`, then ReLU; of its gradient dz by the result of ReLU's sign,

    dx = (dz - sums / R - (x - mean) * inverse * products / R) * inverse * factor

where products and sums are those of dz * (x - mean) * inverse and of dz over a channel (Ioffe & Szegedy 2015).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cpu.jit import BLOCK, FAST_MATH, blocks, jit
from runtime.kernels.cpu.registry import Launch, kernel, launch, plans
from runtime.kernels.operand import Operand

STRIP = 2048  # floats: 8 KiB, in the nearest cache when they are read again
ZERO = np.float32(0)
in_order = partial(jit, fast_math=FAST_MATH - {"reassoc"})  # so that a sum adds to the bits that stand without it


def channel_items(x: Any, *_: Any) -> int:
    """An item for each BLOCK of a channel."""
    return x.shape[0] * blocks(x.shape[1])


def run_items(partials: Any) -> int:
    """An item for each run of a channel."""
    return partials.shape[0] * partials.shape[1]


@plans(flops=4)
def normalize_scale(
    x: Operand, mean: Operand, inverse: Operand, factor: Operand, bias: Operand, y: Operand, relu: bool, slope: float
) -> Launch:
    return launch("scaled_channels", x, mean, inverse, factor, bias, y, y, slope=slope if relu else 1.0, added=False)


@plans(flops=5)
def normalize_scale_add(
    x: Operand, mean: Operand, inverse: Operand, factor: Operand, bias: Operand, more: Operand, y: Operand, relu: bool, slope: float
) -> Launch:
    """Bit for bit what normalize_scale, add or add_relu give."""
    return launch("scaled_channels", x, mean, inverse, factor, bias, more, y, slope=slope if relu else 1.0, added=True)


@kernel(items=channel_items)
@in_order
def scaled_channels(begin, end, x, mean, inverse, factor, bias, more, y, slope, added):
    """y = (x - mean) * inverse * factor + bias, plus `more` if asked, times slope below zero."""
    per_channel, s = -(-x.shape[1] // BLOCK), np.float32(slope)
    for item in range(begin, end):
        c, start = item // per_channel, item % per_channel * BLOCK
        source, other, out = x[c, start : start + BLOCK], more[c, start : start + BLOCK], y[c, start : start + BLOCK]
        m, i, f, b = mean[c], inverse[c], factor[c], bias[c]
        if added:
            for n in range(out.size):
                v = ((source[n] - m) * i * f + b) + other[n]
                out[n] = v if not (v < 0) else (s * v if s != 0 else ZERO)  # written so that a NaN stays one
        else:
            for n in range(out.size):
                v = (source[n] - m) * i * f + b
                out[n] = v if not (v < 0) else (s * v if s != 0 else ZERO)


@kernel(items=lambda dy, x, mean, inverse, partials: run_items(partials), flops=4)
@jit
def normalize_scale_terms(begin, end, dy, x, mean, inverse, partials):
    """partials (C, runs, 2), float64: sums of dy * (x - mean) * inverse and of dy over each run of a channel."""
    R, runs = x.shape[1], partials.shape[1]
    for item in range(begin, end):
        c, start, m = item // runs, item % runs * ELEMENTS, mean[item // runs]
        last, products, total = min(start + ELEMENTS, R), np.float64(0), np.float64(0)
        for first in range(start, last, STRIP):
            gradient, value = dy[c, first : min(first + STRIP, last)], x[c, first : min(first + STRIP, last)]
            product, part = ZERO, ZERO
            for n in range(gradient.size):
                product += gradient[n] * (value[n] - m)
                part += gradient[n]
            products += product
            total += part
        partials[c, item % runs, 0], partials[c, item % runs, 1] = products * inverse[c], total


@plans(flops=5)
def normalize_scale_relu_terms(
    dy: Operand, y: Operand, x: Operand, mean: Operand, inverse: Operand, dz: Operand, partials: Operand, slope: float
) -> Launch:
    return launch("masked_terms", dy, dy, y, x, mean, inverse, dz, partials, slope=slope, added=False)


@plans(flops=6)
def normalize_scale_add_relu_terms(
    dy: Operand,
    more: Operand,
    y: Operand,
    x: Operand,
    mean: Operand,
    inverse: Operand,
    dz: Operand,
    partials: Operand,
    slope: float,
) -> Launch:
    return launch("masked_terms", dy, more, y, x, mean, inverse, dz, partials, slope=slope, added=True)


@kernel(items=lambda dy, more, y, x, mean, inverse, dz, partials, *_: run_items(partials))
@jit
def masked_terms(begin, end, dy, more, y, x, mean, inverse, dz, partials, slope, added):
    """dz = dy, plus `more` if asked, times slope where y is not above zero; and what normalize_scale_terms gives of dz.

    dz may be dy, or more: a strip is put aside first, as of a loop over arrays that may be one no vectors are made.
    """
    R, runs, s, aside = x.shape[1], partials.shape[1], np.float32(slope), np.empty(STRIP, np.float32)
    for item in range(begin, end):
        c, start, m = item // runs, item % runs * ELEMENTS, mean[item // runs]
        last, products, total = min(start + ELEMENTS, R), np.float64(0), np.float64(0)
        for first in range(start, last, STRIP):
            stop = min(first + STRIP, last)
            gradient, other, sign, value = dy[c, first:stop], more[c, first:stop], y[c, first:stop], x[c, first:stop]
            masked, out = aside[: stop - first], dz[c, first:stop]
            if added:
                for n in range(masked.size):
                    g = gradient[n] + other[n]
                    masked[n] = g if sign[n] > 0 else s * g
            else:
                for n in range(masked.size):
                    masked[n] = gradient[n] if sign[n] > 0 else s * gradient[n]
            product, part = ZERO, ZERO
            for n in range(masked.size):
                product += masked[n] * (value[n] - m)
                part += masked[n]
            products += product
            total += part
            for n in range(masked.size):
                out[n] = masked[n]
        partials[c, item % runs, 0], partials[c, item % runs, 1] = products * inverse[c], total


@kernel(items=channel_items, flops=6)
@jit
def normalize_scale_backward(begin, end, dy, x, mean, inverse, factor, products, sums, dx):
    """dx = (dy - sums / R - (x - mean) * inverse * products / R) * inverse * factor, with what normalize_scale_terms come to."""
    R = dy.shape[1]
    per_channel = -(-R // BLOCK)
    for item in range(begin, end):
        c, start = item // per_channel, item % per_channel * BLOCK
        gradient, value, out = dy[c, start : start + BLOCK], x[c, start : start + BLOCK], dx[c, start : start + BLOCK]
        m, i, s, p = mean[c], inverse[c], np.float32(sums[c] / R), np.float32(products[c] / R)
        f = i * factor[c]
        for n in range(out.size):
            out[n] = (gradient[n] - s - (value[n] - m) * i * p) * f
