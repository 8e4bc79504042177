"""Launches of terms.cu."""

from __future__ import annotations

import numpy as np

from runtime.ir.runs import ELEMENTS, LABELS
from runtime.kernels.cuda.grids import THREADS, blocks, name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand

FILE = "terms.cu"


def runs(function: str, count: int, arrays: int, *scalars: np.generic) -> Launch:
    """A block to each run."""
    return Launch(FILE, function, (count, 1, 1), (THREADS, 1, 1), tuple(range(arrays)), scalars)


def threads(function: str, count: int, arrays: int, *scalars: np.generic) -> Launch:
    """A thread to each pack."""
    return Launch(FILE, function, (blocks(count), 1, 1), (THREADS, 1, 1), tuple(range(arrays)), scalars)


@plans
def loss_of_terms(partials: Operand, loss: Operand, normalizer: Operand, divisor: float, factor: float) -> Launch:
    scalars = np.int64(partials.shape[0]), np.float64(divisor), np.float64(factor)
    return runs(name("loss_of_terms", 2 if partials.fits(2) else 1), 1, 3, *scalars)


@plans
def euclidean_terms(a: Operand, b: Operand, partials: Operand) -> Launch:
    return runs(name("euclidean_terms", width(a, b), ELEMENTS), partials.shape[0], 3, np.int64(a.size))


@plans
def euclidean_backward(a: Operand, b: Operand, dloss: Operand, normalizer: Operand, dx: Operand, sign: float) -> Launch:
    return _mapped("euclidean_backward", (a, b, dx), np.float32(sign))


@plans
def sigmoid_cross_entropy_terms(x: Operand, t: Operand, partials: Operand, ignore: float) -> Launch:
    function = name("sigmoid_cross_entropy_terms", width(x, t), ELEMENTS)
    return runs(function, partials.shape[0], 3, np.int64(x.size), np.float32(ignore))


@plans
def sigmoid_cross_entropy_backward(
    x: Operand, t: Operand, dloss: Operand, normalizer: Operand, dx: Operand, ignore: float
) -> Launch:
    return _mapped("sigmoid_cross_entropy_backward", (x, t, dx), np.float32(ignore))


def _mapped(function: str, arrays: tuple[Operand, Operand, Operand], scalar: np.generic) -> Launch:
    """A gradient over flat arrays, from two of them, dloss and the normalizer."""
    wide, size = width(*arrays), arrays[0].size
    return threads(name(function, wide), size // wide + size % wide, 5, np.int64(size), scalar)


@plans
def hinge_terms(scores: Operand, labels: Operand, partials: Operand, square: bool) -> Launch:
    (C, N), wide = scores.shape, width(scores, labels, run=scores.shape[1])
    return runs(name("hinge_terms", wide, ELEMENTS, square), partials.shape[0], 3, np.int32(C), np.int64(N // wide))


@plans
def hinge_backward(scores: Operand, labels: Operand, dloss: Operand, normalizer: Operand, dx: Operand, square: bool) -> Launch:
    (C, N), wide = scores.shape, width(scores, labels, dx, run=scores.shape[1])
    return threads(name("hinge_backward", wide, square), C * N // wide, 5, np.int32(C), np.int64(N // wide))


@plans
def likelihood_terms(probabilities: Operand, labels: Operand, partials: Operand) -> Launch:
    (C, N), wide = probabilities.shape, width(probabilities, labels, run=probabilities.shape[1])
    return runs(name("likelihood_terms", wide, LABELS), partials.shape[0], 3, np.int32(C), np.int64(N // wide))


@plans
def likelihood_backward(probabilities: Operand, labels: Operand, dloss: Operand, normalizer: Operand, dx: Operand) -> Launch:
    (C, N), wide = probabilities.shape, width(probabilities, labels, dx, run=probabilities.shape[1])
    return threads(name("likelihood_backward", wide), C * N // wide, 5, np.int32(C), np.int64(N // wide))


@plans
def infogain_terms(probabilities: Operand, labels: Operand, matrix: Operand, partials: Operand, ignore: float) -> Launch:
    (outer, C, inner), wide = probabilities.shape, width(probabilities, labels, run=probabilities.shape[2])
    scalars = np.int64(outer), np.int32(C), np.int64(inner // wide), np.float32(ignore)
    return runs(name("infogain_terms", wide, LABELS), partials.shape[0], 4, *scalars)


@plans
def infogain_backward(
    probabilities: Operand, labels: Operand, matrix: Operand, dloss: Operand, normalizer: Operand, dx: Operand, ignore: float
) -> Launch:
    (outer, C, inner), wide = probabilities.shape, width(probabilities, labels, dx, run=probabilities.shape[2])
    scalars = np.int64(outer * C), np.int32(C), np.int64(inner // wide), np.float32(ignore)
    return threads(name("infogain_backward", wide), dx.size // wide, 6, *scalars)


@plans
def contrastive_terms(
    a: Operand, b: Operand, alike: Operand, partials: Operand, squares: Operand, margin: float, legacy: bool
) -> Launch:
    (C, N), wide = a.shape, width(a, b, alike, squares, run=a.shape[1])
    scalars = np.int32(C), np.int64(N // wide), np.float32(margin)
    return runs(name("contrastive_terms", wide, LABELS, legacy), partials.shape[0], 5, *scalars)


@plans
def contrastive_backward(
    a: Operand, b: Operand, alike: Operand, squares: Operand, dloss: Operand, normalizer: Operand, dx: Operand, margin: float,
    legacy: bool, sign: float,
) -> Launch:  # fmt: skip
    (C, N), wide = a.shape, width(a, b, alike, squares, dx, run=a.shape[1])
    scalars = np.int32(C), np.int64(N // wide), np.float32(margin), np.float32(sign)
    return threads(name("contrastive_backward", wide, legacy), C * N // wide, 7, *scalars)
