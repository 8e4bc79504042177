"""Losses: the multinomial logistic loss of a softmax (Caffe's softmax_loss_layer.cpp).

Arrays are (outer, C, inner) as in runtime/ops/softmax/cpu.py; there is one label for each (outer, inner), in that order.
"""

from __future__ import annotations

import math

import numpy as np

from runtime.kernels.cpu.index import index_of
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.loss import hard_examples as _hard_examples  # noqa: F401 - registers its kernels
from runtime.ops.loss import smooth_l1 as _smooth_l1  # noqa: F401 - registers its kernels
from runtime.ops.loss import terms as _terms  # noqa: F401 - registers the losses that are sums of terms
from runtime.ops.softmax.cpu import RUN, runs

TINY = np.finfo(np.float32).tiny


@kernel(
    items=lambda probability, labels, loss, normalizer, divisor, ignore: 1,
    flops=lambda probability, labels, *_: 14 * labels.size,
    moved=lambda probability, labels, *_: 4 * (2 * labels.size + 2),
)
@jit
def softmax_loss(begin, end, probability, labels, loss, normalizer, divisor, ignore):
    """loss (1,) = -sum(log(probability of the label)) / normalizer (1,), labels equal to `ignore` left out.

    normalizer = divisor, or if that is 0 the number of labels that count; at least 1.
    """
    outer, C, inner = probability.shape
    for _ in range(begin, end):
        total, count = 0.0, 0
        for o in range(outer):
            for i in range(inner):
                label = labels[o * inner + i]
                if label != ignore:
                    p = np.float64(probability[o, index_of(label, C), i])
                    total -= math.log(TINY if p < TINY else p)
                    count += 1
        normalizer[0] = max(1.0, divisor if divisor > 0 else np.float64(count))
        loss[0] = total / normalizer[0]


@kernel(items=lambda probability, labels, normalizer, dloss, dx, ignore: runs(dx), flops=2)
@jit
def softmax_loss_backward(begin, end, probability, labels, normalizer, dloss, dx, ignore):
    """dx = (probability - [this is the label]) * dloss / normalizer; 0 where the label is ignored."""
    _, C, inner = dx.shape
    per_outer = -(-inner // RUN)
    factor = dloss[0] / normalizer[0]
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        for c in range(C):
            value, out = probability[outer, c, start : start + n], dx[outer, c, start : start + n]
            for i in range(n):
                out[i] = factor * value[i]
        for i in range(start, start + n):
            label = labels[outer * inner + i]
            if label != ignore:
                dx[outer, index_of(label, C), i] -= factor
            else:
                for c in range(C):
                    dx[outer, c, i] = 0
