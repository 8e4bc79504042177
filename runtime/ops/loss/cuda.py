"""Launches of loss.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, elements, ints, name, table, width
from runtime.kernels.cuda.registry import HOST_KERNELS, Launch, plans
from runtime.kernels.operand import Operand
from runtime.ops.loss import smooth_l1_cuda as _smooth_l1  # noqa: F401 - registers its plans
from runtime.ops.loss import terms_cuda as _terms  # noqa: F401 - registers the losses that are sums of terms

FILE = "loss.cu"
HOST_KERNELS.update({"prediction_losses", "region_losses", "hardest_regions"})


@plans
def softmax_loss(
    probability: Operand, labels: Operand, loss: Operand, normalizer: Operand, divisor: float, ignore: float
) -> Launch:
    outer, C, inner = probability.shape
    wide = width(probability, labels, run=inner)
    scalars = np.int64(outer), np.int32(C), np.int64(inner // wide), np.float32(divisor), np.float32(ignore)
    return Launch(FILE, name("softmax_loss", wide), (1, 1, 1), (THREADS, 1, 1), (0, 1, 2, 3), scalars)


@plans
def softmax_loss_backward(
    probability: Operand, labels: Operand, normalizer: Operand, dloss: Operand, dx: Operand, ignore: float
) -> Launch:
    outer, C, inner = dx.shape
    wide = width(probability, labels, dx, run=inner)
    grid, block = table(elements(outer, C), inner // wide)
    scalars = *ints(outer * C, C, inner // wide), np.float32(ignore)
    return Launch(FILE, name("softmax_loss_backward", wide), grid, block, (0, 1, 2, 3, 4), scalars)
