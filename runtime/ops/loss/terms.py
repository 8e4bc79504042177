"""Losses as terms: a kernel sums each run of elements, one more adds these sums up and divides; gradients element by element.

Where Caffe's loss layers define them: euclidean_loss_layer.cpp, sigmoid_cross_entropy_loss_layer.cpp, hinge_loss_layer.cpp,
multinomial_logistic_loss_layer.cpp, infogain_loss_layer.cpp, contrastive_loss_layer.cpp.  `partials` (runs, 2) float64 holds sums
and how many elements count; `normalizer` (1,) is what the loss was divided by.
"""

from __future__ import annotations

import math

import numpy as np

from runtime.ir.runs import ELEMENTS, LABELS, element_runs
from runtime.kernels.cpu.exponential import exponential
from runtime.kernels.cpu.index import index_of
from runtime.kernels.cpu.jit import BLOCK, blocks, inner, jit
from runtime.kernels.cpu.registry import kernel

LEAST = np.float32(1e-20)  # a probability counts as no less; Caffe's kLOG_THRESHOLD
APART = np.float32(1e-4)  # added to a distance that divides, as Caffe does
ONE, ZERO = np.float32(1), np.float32(0)


@inner
def at_least(least, x):
    """x, but no less than that; NaN stays NaN, which `max` would hide."""
    return least if x < least else x


@kernel(items=lambda *_: 1, flops=1)
@jit
def loss_of_terms(begin, end, partials, loss, normalizer, divisor, factor):
    """loss (1,) = factor * the sum of all runs / normalizer (1,).

    normalizer = divisor, or if that is 0 the number of elements that count; at least 1.
    """
    for _ in range(begin, end):
        total, count = 0.0, 0.0
        for run in range(partials.shape[0]):
            total += partials[run, 0]
            count += partials[run, 1]
        normalizer[0] = max(1.0, divisor if divisor > 0 else count)
        loss[0] = factor * total / normalizer[0]


@kernel(items=lambda a, *_: element_runs(a.size), flops=3)
@jit
def euclidean_terms(begin, end, a, b, partials):
    """Sums of (a - b) ** 2.  Flat arrays."""
    for item in range(begin, end):
        left, right = a[item * ELEMENTS : (item + 1) * ELEMENTS], b[item * ELEMENTS : (item + 1) * ELEMENTS]
        total = 0.0
        for i in range(left.size):
            d = np.float64(left[i] - right[i])
            total += d * d
        partials[item, 0], partials[item, 1] = total, left.size


@kernel(items=lambda a, *_: blocks(a.size), flops=2)
@jit
def euclidean_backward(begin, end, a, b, dloss, normalizer, dx, sign):
    """dx = sign * (a - b) * dloss / normalizer.  Flat arrays."""
    factor = np.float32(sign) * dloss[0] / normalizer[0]
    for item in range(begin, end):
        left, right = a[item * BLOCK : (item + 1) * BLOCK], b[item * BLOCK : (item + 1) * BLOCK]
        out = dx[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            out[i] = factor * (left[i] - right[i])


@kernel(items=lambda x, *_: element_runs(x.size), flops=30)
@jit
def sigmoid_cross_entropy_terms(begin, end, x, t, partials, ignore):
    """Sums of -(t log s + (1 - t) log(1 - s)) with s = 1 / (1 + exp(-x)), in the form that no x overflows.  Flat arrays."""
    for item in range(begin, end):
        scores, targets = x[item * ELEMENTS : (item + 1) * ELEMENTS], t[item * ELEMENTS : (item + 1) * ELEMENTS]
        total, count = 0.0, 0
        for i in range(scores.size):
            if targets[i] != ignore:
                v, right = np.float64(scores[i]), np.float64(targets[i])
                above = 1.0 if v >= 0 else 0.0
                total -= v * (right - above) - math.log1p(math.exp(v - 2 * v * above))
                count += 1
        partials[item, 0], partials[item, 1] = total, count


@kernel(items=lambda x, *_: blocks(x.size), flops=13)
@jit
def sigmoid_cross_entropy_backward(begin, end, x, t, dloss, normalizer, dx, ignore):
    """dx = (s - t) * dloss / normalizer; 0 where the target is ignored.  Flat arrays."""
    factor = dloss[0] / normalizer[0]
    for item in range(begin, end):
        scores, targets = x[item * BLOCK : (item + 1) * BLOCK], t[item * BLOCK : (item + 1) * BLOCK]
        out = dx[item * BLOCK : (item + 1) * BLOCK]
        for i in range(out.size):
            gradient = factor * (ONE / (ONE + exponential(-scores[i])) - targets[i])
            out[i] = ZERO if targets[i] == ignore else gradient


@kernel(items=lambda scores, *_: element_runs(scores.size), flops=4)
@jit
def hinge_terms(begin, end, scores, labels, partials, square):
    """Sums of max(0, 1 - t * score) ** p over scores (C, N); t is 1 for the label's class, else -1; p is 2 if `square`, else 1."""
    C, N = scores.shape
    flat = scores.reshape(-1)
    for item in range(begin, end):
        total = 0.0
        for i in range(item * ELEMENTS, min((item + 1) * ELEMENTS, flat.size)):
            own = i // N == index_of(labels[i % N], C)
            term = np.float64(at_least(ZERO, ONE + (-flat[i] if own else flat[i])))
            total += term * term if square else term
        partials[item, 0], partials[item, 1] = total, N


@kernel(items=lambda scores, *_: blocks(scores.size), flops=4)
@jit
def hinge_backward(begin, end, scores, labels, dloss, normalizer, dx, square):
    """dx (C, N) = -t * p * max(0, 1 - t * score) ** (p - 1) * dloss / normalizer, 0 where the term is."""
    C, N = scores.shape
    flat, out, factor = scores.reshape(-1), dx.reshape(-1), dloss[0] / normalizer[0]
    for item in range(begin, end):
        for i in range(item * BLOCK, min((item + 1) * BLOCK, flat.size)):
            own = i // N == index_of(labels[i % N], C)
            term = at_least(ZERO, ONE + (-flat[i] if own else flat[i]))
            slope = term + term if square else (ONE if term > 0 else term)  # 0, or NaN
            out[i] = factor * (-slope if own else slope)


@kernel(
    items=lambda probabilities, labels, partials: partials.shape[0],
    flops=lambda probabilities, labels, partials: 13 * labels.size,
    moved=lambda probabilities, labels, partials: 2 * labels.bytes + partials.bytes,
)
@jit
def likelihood_terms(begin, end, probabilities, labels, partials):
    """Sums of -log(probability of the label) over probabilities (C, N)."""
    for item in range(begin, end):
        total, last = 0.0, min((item + 1) * LABELS, labels.size)
        for n in range(item * LABELS, last):
            total -= math.log(np.float64(at_least(LEAST, probabilities[index_of(labels[n], probabilities.shape[0]), n])))
        partials[item, 0], partials[item, 1] = total, last - item * LABELS


@kernel(items=lambda probabilities, *_: probabilities.shape[0], flops=2)
@jit
def likelihood_backward(begin, end, probabilities, labels, dloss, normalizer, dx):
    """dx (C, N) = -dloss / (normalizer * probability) for the label's class, else 0.  Item: a class."""
    factor = -dloss[0] / normalizer[0]
    for c in range(begin, end):
        for n in range(labels.size):
            own = c == index_of(labels[n], probabilities.shape[0])
            dx[c, n] = factor / at_least(LEAST, probabilities[c, n]) if own else ZERO


@kernel(items=lambda probabilities, labels, matrix, partials, ignore: partials.shape[0], flops=14)
@jit
def infogain_terms(begin, end, probabilities, labels, matrix, partials, ignore):
    """Sums of -sum over k of matrix[label, k] * log(probability of k) over probabilities (outer, C, inner)."""
    _, C, inner = probabilities.shape
    for item in range(begin, end):
        total, count = 0.0, 0
        for n in range(item * LABELS, min((item + 1) * LABELS, labels.size)):
            if labels[n] != ignore:
                label = index_of(labels[n], C)
                for k in range(C):
                    total -= matrix[label, k] * math.log(np.float64(at_least(LEAST, probabilities[n // inner, k, n % inner])))
                count += 1
        partials[item, 0], partials[item, 1] = total, count


@kernel(items=lambda probabilities, *_: probabilities.shape[0] * probabilities.shape[1], flops=3)
@jit
def infogain_backward(begin, end, probabilities, labels, matrix, dloss, normalizer, dx, ignore):
    """dx (outer, C, inner) = (probability * sum of matrix[label] - matrix[label, c]) * dloss / normalizer, 0 if ignored.

    Item: a class.
    """
    _, C, inner = probabilities.shape
    factor = dloss[0] / normalizer[0]
    sums = np.zeros(C, np.float32)
    for row in range(C):
        for k in range(C):
            sums[row] += matrix[row, k]
    for item in range(begin, end):
        outer, c = item // C, item % C
        for i in range(inner):
            label = labels[outer * inner + i]
            if label != ignore:
                row = index_of(label, C)
                dx[outer, c, i] = factor * (probabilities[outer, c, i] * sums[row] - matrix[row, c])
            else:
                dx[outer, c, i] = 0


@kernel(items=lambda a, b, alike, partials, *_: partials.shape[0], flops=3)
@jit
def contrastive_terms(begin, end, a, b, alike, partials, squares, margin, legacy):
    """squares (N,) = |a - b| ** 2 of a, b (C, N); sums of it where alike is 1, else of max(0, margin - |a - b|) ** 2.

    legacy: of max(0, margin - |a - b| ** 2) instead.
    """
    m = np.float32(margin)
    for item in range(begin, end):
        total, last = np.float64(0), min((item + 1) * LABELS, alike.size)
        for n in range(item * LABELS, last):
            square = ZERO
            for c in range(a.shape[0]):
                d = a[c, n] - b[c, n]
                square += d * d
            squares[n] = square
            if alike[n] != 0:
                total += square
            elif legacy:
                total += at_least(ZERO, m - square)
            else:
                gap = at_least(ZERO, m - math.sqrt(square))
                total += gap * gap
        partials[item, 0], partials[item, 1] = total, last - item * LABELS


@kernel(items=lambda a, *_: a.shape[0], flops=6)
@jit
def contrastive_backward(begin, end, a, b, alike, squares, dloss, normalizer, dx, margin, legacy, sign):
    """dx (C, N), of a with sign 1 and of b with -1.  Item: a row."""
    m, factor = np.float32(margin), np.float32(sign) * dloss[0] / normalizer[0]
    for c in range(begin, end):
        for n in range(alike.size):
            d = a[c, n] - b[c, n]
            if alike[n] != 0:
                dx[c, n] = factor * d
            elif legacy:
                dx[c, n] = ZERO if squares[n] >= m else -factor * d
            else:
                distance = math.sqrt(squares[n])
                gap = m - distance
                dx[c, n] = ZERO if gap <= 0 else -factor * gap / (distance + APART) * d
