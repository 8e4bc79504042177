"""The launch of argmax.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import name, width
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand
from runtime.ops.softmax.cuda import sliced, slices


@plans
def largest(x: Operand, y: Operand, values: bool) -> Launch:
    outer, C, inner = x.shape
    wide = width(x, y, run=inner)
    function = name("largest", wide, slices(C), values)
    scalars = np.int64(outer), np.int32(C), np.int64(inner // wide), np.int32(y.shape[1])
    return Launch("argmax.cu", function, *sliced(C, outer, inner // wide), (0, 1), scalars)
