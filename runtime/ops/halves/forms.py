"""Numbers in 16 bits: rounded to the nearest, of two equally near to the even one; on the host by NumPy.  A NaN becomes 0x7FFF."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Halves = NDArray[np.uint16]

NAN = 0x7FFF  # as cards round it


def narrow_bf16(values: Floats) -> Halves:
    """The upper halves of float32 numbers, rounded: bfloat16, with float32's range and 8 bits of precision."""
    bits = values.view(np.uint32)
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    rounded[np.isnan(values)] = NAN
    return rounded


def widen_bf16(halves: Halves) -> Floats:
    """The float32 numbers of such halves."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def narrow_fp16(values: Floats) -> Halves:
    """IEEE's half precision: 11 bits of precision, and infinite above 65504."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16).view(np.uint16)
    rounded[np.isnan(values)] = NAN
    return rounded


def widen_fp16(halves: Halves) -> Floats:
    """The float32 numbers of such halves."""
    return halves.view(np.float16).astype(np.float32)


FORMS: dict[str, tuple[Callable[[Floats], Halves], Callable[[Halves], Floats]]] = {
    "bf16": (narrow_bf16, widen_bf16),
    "fp16": (narrow_fp16, widen_fp16),
}
