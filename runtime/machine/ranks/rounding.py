"""Gradients sent in 16 bits: half the bytes, rounded to the nearest number, of two equally near to the even one."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Halves = NDArray[np.uint16]


def narrow_bf16(values: Floats) -> Halves:
    """The upper halves of float32 numbers, rounded: bfloat16, with float32's range and 8 bits of precision."""
    bits = values.view(np.uint32)
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    rounded[np.isnan(values)] = 0x7FC0
    return rounded


def widen_bf16(halves: Halves) -> Floats:
    """The float32 numbers of such halves."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def narrow_fp16(values: Floats) -> Halves:
    """IEEE's half precision: 11 bits of precision, and infinite above 65504."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).view(np.uint16)


def widen_fp16(halves: Halves) -> Floats:
    """The float32 numbers of such halves."""
    return halves.view(np.float16).astype(np.float32)


FORMS: dict[str, tuple[Callable[[Floats], Halves], Callable[[Halves], Floats]]] = {
    "bf16": (narrow_bf16, widen_bf16),
    "fp16": (narrow_fp16, widen_fp16),
}


class Rounding:
    """How gradients are rounded on their way to another rank, and what that changes.

    Parameters
    ----------
    form: one of FORMS.

    Attributes
    ----------
    sent: how many gradients were rounded until `measured` was asked for.
    """

    def __init__(self, form: str):
        self.form = form
        self.narrow, self.widen = FORMS[form]
        self._lock, self._measures = Lock(), True
        self._wrong = self._all = 0.0
        self.sent = 0

    def rounded(self, values: Floats) -> Halves:
        """The gradients as they are sent; their error is added up until `measured` is asked for."""
        halves = self.narrow(values)
        if self._measures:
            with np.errstate(invalid="ignore", over="ignore"):
                wrong, all_ = _square(self.widen(halves) - values), _square(values)
            with self._lock:
                self._wrong, self._all, self.sent = self._wrong + wrong, self._all + all_, self.sent + values.size
        return halves

    def measured(self) -> tuple[float, float]:
        """The sums of the squares of all errors until now, and of all gradients; from now on nothing is measured."""
        self._measures = False
        return self._wrong, self._all


def relative_error(sums: list[tuple[float, float]]) -> float:
    """|errors| / |gradients|, of several ranks' `measured`."""
    return sqrt(sum(wrong for wrong, _ in sums) / max(sum(all_ for _, all_ in sums), 1e-300))


def _square(values: Floats) -> float:
    return float(np.dot(values, values))
