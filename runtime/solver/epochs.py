"""Epochs as a unit of iteration counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.solver.solver import Solver

UNITS = ("epoch", "epochs")


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data: so many images, in iterations of so many."""

    images: int
    batch_size: int

    @property
    def iterations(self) -> float:
        return self.images / self.batch_size

    def at(self, iteration: int) -> float:
        """How many epochs an iteration is in."""
        return iteration / self.iterations


@dataclass(frozen=True)
class Count:
    """A count of iterations, or of epochs."""

    number: float
    in_epochs: bool

    def iterations(self, epoch: Epoch | None) -> int:
        """So many whole iterations, 1 at least where the count is not 0.

        Parameters
        ----------
        epoch: not None where the count is one of epochs.
        """
        if not self.in_epochs:
            return int(self.number)
        assert epoch is not None
        # Rounded first: 3 epochs of 0.1 iterations must not become one more by the last bit of a product.
        return math.ceil(round(self.number * epoch.iterations, 6))


def read_count(text: str) -> Count:
    """`500`, `1 epoch` or `0.5 epochs`.

    Raises
    ------
    ValueError: it is something else.
    """
    number, _, unit = text.strip().partition(" ")
    if unit.strip() in UNITS:
        value = float(number)
        if value > 0 and math.isfinite(value):
            return Count(value, True)
    elif not unit and int(number) > 0:
        return Count(int(number), False)
    raise ValueError(text)


def epoch_of(solver: Solver) -> Epoch:
    """An epoch of a solver's training data.

    Raises
    ------
    NetdefError: its data have no end.
    """
    sources = solver.executable.sources
    if not sources:
        text = f"{solver.nets.train.filename} has no data that end: there are no epochs to count"
        raise NetdefError(text, hint="give counts of iterations")
    return Epoch(max(source.size for source in sources.values()), solver.batch_size)


def set_counts(solver: Solver, epochs: float | None, test_every: Count | None, snapshot_every: Count | None) -> Epoch | None:
    """Set max_iter, test_interval and snapshot of a solver that has not trained yet; None stays as it is.

    Returns
    -------
    The epoch, if any of the counts is one of epochs.

    Raises
    ------
    NetdefError: epochs are asked for, and the data have no end.
    """
    given = {
        "max_iter": None if epochs is None else Count(epochs, True),
        "test_interval": test_every,
        "snapshot": snapshot_every,
    }
    counts = {field: count for field, count in given.items() if count is not None}
    epoch = epoch_of(solver) if any(count.in_epochs for count in counts.values()) else None
    for field, count in counts.items():
        try:
            setattr(solver.parameters, field, count.iterations(epoch))
        except ValueError:
            raise NetdefError(f"{field} would be {count.iterations(epoch):,} iterations, more than a run can have") from None
    return epoch
