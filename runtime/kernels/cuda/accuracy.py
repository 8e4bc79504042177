"""Launches of accuracy.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS
from runtime.kernels.cuda.registry import Launch, Operand, plans
from runtime.kernels.cuda.softmax import BLOCK, extents, grid

FILE = "accuracy.cu"


@plans
def accuracy_hits(scores: Operand, labels: Operand, hits: Operand, top_k: int, ignore: float) -> Launch:
    scalars = *extents(scores), np.int32(top_k), np.float32(ignore)
    return Launch(FILE, "accuracy_hits", grid(scores.shape[0], scores.shape[2]), BLOCK, (0, 1, 2), scalars)


@plans
def accuracy_share(hits: Operand, share: Operand) -> Launch:
    return Launch(FILE, "accuracy_share", (1, 1, 1), (THREADS, 1, 1), (0, 1), (np.int64(hits.size),))


@plans
def accuracy_per_class(hits: Operand, labels: Operand, shares: Operand) -> Launch:
    return Launch(FILE, "accuracy_per_class", (shares.size, 1, 1), (THREADS, 1, 1), (0, 1, 2), (np.int64(hits.size),))
