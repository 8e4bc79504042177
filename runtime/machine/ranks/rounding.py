"""Gradients sent in 16 bits: half the bytes, and how large the error of that is."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from threading import Lock

import numpy as np

from runtime.ir.program import Instruction
from runtime.ops.halves.forms import FORMS, Floats, Halves

Sums = tuple[float, float]  # of the squares of errors, and of gradients


class Rounding:
    """How gradients are rounded on their way to another rank, and what that changes.

    Parameters
    ----------
    form: one of FORMS.

    Attributes
    ----------
    measures: whether errors are added up, which they are until `measured` is asked for.
    sent: how many gradients were rounded until then.
    """

    def __init__(self, form: str):
        self.form = form
        self.narrow, self.widen = FORMS[form]
        self._lock, self.measures = Lock(), True
        self._wrong = self._all = 0.0
        self._elsewhere: list[Callable[[], Sums]] = []
        self.sent = 0

    def rounded(self, values: Floats) -> Halves:
        """The gradients as they are sent; their error is added up until `measured` is asked for."""
        halves = self.narrow(values)
        if self.measures:
            with np.errstate(invalid="ignore", over="ignore"):
                wrong, all_ = _square(self.widen(halves) - values), _square(values)
            with self._lock:
                self._wrong, self._all = self._wrong + wrong, self._all + all_
            self.count(values.size)
        return halves

    def count(self, size: int) -> None:
        """Note that so many gradients are sent."""
        with self._lock:
            self.sent += size

    def also(self, sums: Callable[[], Sums]) -> None:
        """Let `measured` ask for sums that a card has added up."""
        self._elsewhere.append(sums)

    def measured(self) -> Sums:
        """The sums of the squares of all errors until now, and of all gradients; from now on nothing is measured."""
        self.measures = False
        for sums in self._elsewhere:
            wrong, all_ = sums()
            self._wrong, self._all = self._wrong + wrong, self._all + all_
        self._elsewhere.clear()
        return self._wrong, self._all


def sends_gradients(instruction: Instruction) -> bool:
    """Whether an instruction sends gradients of weights."""
    return instruction.is_send and instruction.inputs[0].root.role == "parameter_gradient"


def relative_error(sums: list[Sums]) -> float:
    """|errors| / |gradients|, of several ranks' `measured`."""
    return sqrt(sum(wrong for wrong, _ in sums) / max(sum(all_ for _, all_ in sums), 1e-300))


def _square(values: Floats) -> float:
    return float(np.dot(values, values))
