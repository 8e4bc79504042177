"""`netdef study --rates`: each net at the best of some learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from runtime.solver.comparison import Run


def read_rates(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...]:
    """The numbers of --rates; none without it.

    Raises
    ------
    NetdefError: they are no rates.
    """
    try:
        rates = tuple(float(word) for word in text.split(",")) if text is not None else ()
    except ValueError:
        rates = (math.nan,)
    if not all(math.isfinite(rate) and rate > 0 for rate in rates):
        raise NetdefError(f"--rates {text} are no rates", hint="expected numbers above 0, such as 0.001,0.003,0.01")
    return tuple(dict.fromkeys(rates))


def best_rate(tried: Mapping[float, Run]) -> float:
    """The rate of the run that was the first to reach what was asked; of those that did not, of the best one.

    Raises
    ------
    NetdefError: no run came to a result.
    """
    runs = {rate: run for rate, run in tried.items() if not math.isnan(run.score)}
    if not runs:
        raise NetdefError(f"none of the rates {', '.join(f'{rate:g}' for rate in tried)} gives a loss that is a number")

    def order(rate: float) -> tuple[float, float]:
        run = runs[rate]
        return math.inf if run.reached is None else run.reached, -run.score

    return min(runs, key=order)
