"""How often the label is among the best scores (Caffe's accuracy_layer.cpp).

Scores are (outer, C, inner) as in runtime/ops/softmax/cpu.py; there is one label for each (outer, inner), in that order.
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.index import index_of
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel
from runtime.ops.softmax.cpu import RUN, runs

IGNORED = np.float32(-1)


@kernel(items=lambda scores, *_: runs(scores), scratch=lambda *_: 2 * RUN, flops=2)
@jit
def accuracy_hits(begin, end, scores, labels, hits, scratch, top_k, ignore):
    """hits (one a label) = 1 if fewer than top_k other scores reach the label's own, else 0; -1 for an ignored label.

    Scores that are equal count against the label, so that a net that says nothing is not called right.  Scratch: 2 RUN.
    """
    _, C, inner = scores.shape
    per_outer = -(-inner // RUN)
    for item in range(begin, end):
        outer, start = item // per_outer, item % per_outer * RUN
        n = min(RUN, inner - start)
        own, rank = scratch[:n], scratch[RUN : RUN + n]
        for i in range(n):
            label = labels[outer * inner + start + i]
            own[i] = 0 if label == ignore else scores[outer, index_of(label, C), start + i]
            rank[i] = -1  # its own score is among those that reach it
        for c in range(C):
            row = scores[outer, c, start : start + n]
            for i in range(n):
                rank[i] += np.float32(0) if row[i] < own[i] else np.float32(1)
        for i in range(n):
            at = outer * inner + start + i
            hits[at] = IGNORED if labels[at] == ignore else np.float32(rank[i] < top_k)


@kernel(items=lambda hits, accuracy: 1, flops=2)
@jit
def accuracy_mean(begin, end, hits, accuracy):
    """accuracy (1,) = the hits divided by the labels that count; 0 if none does."""
    for _ in range(begin, end):
        right, count = 0, 0
        for i in range(hits.size):
            right += hits[i] > 0
            count += hits[i] >= 0
        accuracy[0] = right / count if count else 0.0


@kernel(items=lambda hits, labels, accuracies: 1, flops=lambda hits, labels, accuracies: hits.size * accuracies.size)
@jit
def accuracy_per_class(begin, end, hits, labels, accuracies):
    """accuracies (C,) = the hits divided by the labels of each class; 0 for a class without any."""
    for _ in range(begin, end):
        for c in range(accuracies.size):
            right, count = 0, 0
            for i in range(hits.size):
                if labels[i] == c and hits[i] >= 0:
                    right += hits[i] > 0
                    count += 1
            accuracies[c] = right / count if count else 0.0
