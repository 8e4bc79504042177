"""Look for a learning rate: train a few iterations while the rate rises, and see where the loss falls (Smith 2017, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.solver_file.learning_rate import LearningRate
from runtime.solver.diverged import DivergedError
from runtime.solver.plot import BLUE, LIGHT, ORANGE, matplotlib_figure

if TYPE_CHECKING:
    from runtime.solver.solver import Solver

KEPT = 0.9  # of the smoothed loss, from iteration to iteration
GIVEN_UP = 4  # times the lowest smoothed loss, from where on higher rates are not tried
FIRST = 5  # iterations before a loss can be the lowest one
BELOW = 10  # a rate to train with is so many times below the one of the lowest loss


class RisingRate(LearningRate):
    """A rate that rises from the first iteration to the last, by the same factor each time."""

    def __init__(self, solver: Any, low: float, high: float, iterations: int):
        super().__init__(solver)
        self.low, self.factor = low, (high / low) ** (1 / max(1, iterations - 1))

    def unchecked(self, iteration: int) -> float:
        return self.low * self.factor**iteration


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    rates, losses, smoothed: of each iteration. proposal: a rate to train with; None where the loss did not fall.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    proposal: float | None


def search(solver: Solver, low: float, high: float, iterations: int, on_iteration: Callable[[int], None]) -> Found:
    """Train a solver that has not begun while the rate rises, up to where the loss grows to GIVEN_UP times its lowest value.

    Parameters
    ----------
    low, high: the rates of the first and the last iteration.
    """
    solver.rate = RisingRate(solver.parameters, low, high, iterations)
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    for number in range(iterations):
        try:
            one = solver.iterate()
            loss = one.loss
        except DivergedError:
            break
        rates.append(one.rate)
        losses.append(loss)
        smoothed = smooth(losses)
        on_iteration(number + 1)
        if number > FIRST and smoothed[-1] > GIVEN_UP * min(smoothed[FIRST:]):
            break
    return Found(rates, losses, smoothed, proposed(rates, smoothed))


def smooth(losses: Sequence[float]) -> list[float]:
    """The mean of the losses up to each one, the later ones weighing more (Kingma & Ba 2015, without the bias of the start)."""
    found, total = [], 0.0
    for number, loss in enumerate(losses, 1):
        total = KEPT * total + (1 - KEPT) * loss
        found.append(total / (1 - KEPT**number))
    return found


def proposed(rates: Sequence[float], smoothed: Sequence[float]) -> float | None:
    """A rate below the one of the lowest loss, with one figure; None where no loss is lower than the first ones."""
    if len(smoothed) <= FIRST + 1:
        return None
    lowest = min(range(FIRST, len(smoothed)), key=smoothed.__getitem__)
    if lowest == FIRST or smoothed[lowest] > 0.99 * smoothed[FIRST]:
        return None
    return float(f"{rates[lowest] / BELOW:.0e}")


def rows(found: Found, count: int) -> list[tuple[float, float]]:
    """A rate and its smoothed loss at even distances, the last one among them."""
    last = len(found.rates) - 1
    chosen = sorted({round(index * last / max(1, count - 1)) for index in range(count)}) if last >= 0 else []
    return [(found.rates[index], found.smoothed[index]) for index in chosen]


def draw(found: Found, title: str, path: str) -> None:
    """Draw loss against rate to a picture.

    Raises
    ------
    NetdefError: matplotlib is missing, or the picture cannot be written.
    """
    from netdef.language.writing import replacing

    figure = matplotlib_figure()(figsize=(8, 4.5), layout="constrained")
    ax = figure.add_subplot()
    ax.plot(found.rates, found.losses, color=LIGHT, linewidth=0.9, label="single iterations")
    ax.plot(found.rates, found.smoothed, color=BLUE, linewidth=1.8, label="smoothed")
    if found.proposal is not None:
        ax.axvline(found.proposal, color=ORANGE, linewidth=1.4, label=f"proposed: {found.proposal:g}")
    ax.set_xscale("log")
    ax.set_xlabel("learning rate")
    ax.set_ylabel("training loss")
    finite = [loss for loss in found.smoothed if math.isfinite(loss)]
    if finite:
        ax.set_ylim(0, 1.1 * max(finite[0], *finite[: FIRST + 1], sorted(finite)[int(0.9 * (len(finite) - 1))]))
    ax.set_title(title, parse_math=False)
    ax.grid(True, color="#e4e4e4", linewidth=0.8)
    ax.legend(frameon=False)
    with replacing(path) as beside:
        try:
            figure.savefig(beside, format=path.rpartition(".")[2].lower(), dpi=110)
        except ValueError as error:
            raise NetdefError(f"{path} cannot be drawn: {error}", hint="a name that ends in .png, .svg or .pdf") from None
