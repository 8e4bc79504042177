"""Launches of accuracy.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand
from runtime.ops.softmax.cuda import sliced, slices

FILE = "accuracy.cu"


@plans
def accuracy_hits(scores: Operand, labels: Operand, hits: Operand, top_k: int, ignore: float) -> Launch:
    outer, C, inner = scores.shape
    wide = width(scores, labels, hits, run=inner)
    scalars = np.int64(outer), np.int32(C), np.int64(inner // wide), np.int32(top_k), np.float32(ignore)
    return Launch(FILE, name("accuracy_hits", wide, slices(C)), *sliced(C, outer, inner // wide), (0, 1, 2), scalars)


@plans
def accuracy_mean(hits: Operand, accuracy: Operand) -> Launch:
    return Launch(FILE, name("accuracy_mean", width(hits)), (1, 1, 1), (THREADS, 1, 1), (0, 1), (np.int64(hits.size),))


@plans
def accuracy_per_class(hits: Operand, labels: Operand, accuracies: Operand) -> Launch:
    function, scalars = name("accuracy_per_class", width(hits, labels)), (np.int64(hits.size),)
    return Launch(FILE, function, (accuracies.size, 1, 1), (THREADS, 1, 1), (0, 1, 2), scalars)
