"""Numbers in 16 bits, by NumPy: what ranks on CPUs send, and what cards' kernels are compared with.  All arrays are flat."""

from __future__ import annotations

import numpy as np

from runtime.ir.runs import ELEMENTS
from runtime.kernels.cpu.registry import kernel
from runtime.ops.halves.forms import FORMS, narrow_bf16, narrow_fp16, widen_bf16, widen_fp16


@kernel(items=lambda x, y: 1, flops=1)
def round_bf16(begin, end, x, y):
    """y (uint16) = x, rounded to bfloat16."""
    y[...] = narrow_bf16(x)


@kernel(items=lambda x, y: 1, flops=1)
def round_fp16(begin, end, x, y):
    """y (uint16) = x, rounded to half precision."""
    y[...] = narrow_fp16(x)


@kernel(items=lambda x, y: 1, flops=0)
def widen_from_bf16(begin, end, x, y):
    """y = x (uint16), numbers of bfloat16."""
    y[...] = widen_bf16(x)


@kernel(items=lambda x, y: 1, flops=0)
def widen_from_fp16(begin, end, x, y):
    """y = x (uint16), numbers of half precision."""
    y[...] = widen_fp16(x)


@kernel(
    items=lambda x, rounded, partials, fp16: 1,
    flops=5,
    moved=lambda x, rounded, partials, *_, **__: x.bytes + rounded.bytes + 2 * partials.bytes,
)
def rounding_error(begin, end, x, rounded, partials, fp16):
    """partials (runs, 2), float64 += the sums of (rounded - x) ** 2 and of x ** 2 over each run of ELEMENTS numbers."""
    _, widen = FORMS["fp16" if fp16 else "bf16"]
    for run, sums in enumerate(partials):
        before = x[run * ELEMENTS : (run + 1) * ELEMENTS].astype(np.float64)
        after = widen(rounded[run * ELEMENTS : (run + 1) * ELEMENTS]).astype(np.float64)
        sums += np.sum((after - before) ** 2), np.sum(before**2)
