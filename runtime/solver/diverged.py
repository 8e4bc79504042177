"""The error of a training run whose numbers are no longer finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdef.language.diagnostics import NetdefError
from runtime.machine.non_finite import with_origin

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


class DivergedError(NetdefError):
    """The loss of iteration `iteration`, or a weight after so many, is no longer a finite number.

    Parameters
    ----------
    rate: that weights were updated with.
    executable: one whose weights are still those that it happened with, so that the layer can be named in which it began.
    """

    def __init__(self, message: str, rate: float | complex, iteration: int, executable: Executable | None = None):
        advice = f"lower base_lr (the rate was {rate:g}), add `clip_gradients: 10`, or look for bad values in the data"
        super().__init__(with_origin(message, executable), hint=f"{advice}; earlier snapshots are untouched")
        self.iteration = iteration
