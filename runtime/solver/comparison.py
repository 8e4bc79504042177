"""Runs of several nets from the same seeds: what each reached, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from runtime.solver.best import Best
from runtime.solver.log import Record


@dataclass(frozen=True)
class Run:
    """What a run reached.

    Attributes
    ----------
    metric: the last test's: its first accuracy, or where there is none its loss.  name: of the metric; "" without tests.
    best: the best test's.  loss: the last training loss that was shown.  reached: the iteration of the first test that was as
        accurate as asked; None if none was.  epochs: how many those are, where the run counted them.
    """

    name: str
    metric: float
    best: float
    loss: float
    reached: int | None = None
    epochs: float | None = None

    @property
    def score(self) -> float:
        """Larger is better: the accuracy, or minus the loss; nan of a run without a result."""
        return self.metric if self.name not in ("", "loss") else -self.metric if self.name else -self.loss


def run_of(records: Sequence[Record], reach: float | None = None) -> Run:
    """What the log of a run says.

    Parameters
    ----------
    reach: an accuracy.
    """
    tests = [record for record in records if record["event"] == "test" and not record.get("net")]
    if next((record.get("reason") for record in reversed(records) if record["event"] in ("start", "end")), "") == "diverged":
        return Run("", math.nan, math.nan, math.nan)
    losses = [record["loss"] for record in records if record["event"] == "train" and record.get("loss") is not None]
    loss = losses[-1] if losses else math.nan
    if not tests:
        return Run("", math.nan, math.nan, loss)
    name = next(iter(tests[-1].get("accuracies", ())), "")
    best = Best()
    best.take_log(tests)
    if not name:
        last = tests[-1].get("loss")
        return Run("loss", math.nan if last is None else last, math.nan if best.value is None else best.value, loss)
    hits = (record["iteration"] for record in tests if reach is not None and (record["outputs"].get(name) or 0) >= reach)
    hit, best_value = next(hits, None), math.nan if best.value is None else best.value
    counted = [record for record in records if record["event"] == "train" and record.get("epoch") and record["iteration"]]
    epochs = hit * counted[-1]["epoch"] / counted[-1]["iteration"] if counted and hit is not None else None
    last = tests[-1]["outputs"].get(name)
    return Run(name, math.nan if last is None else last, best_value, loss, hit, epochs)


def table(runs: Mapping[str, Sequence[Run]], reach: float | None = None) -> list[str]:
    """A row for each net: means over its seeds and their standard deviations; differences to the first net, seed by seed."""
    first = next(iter(runs.values()))
    name = next((run.name for run in first if run.name), "")
    accuracy = name not in ("", "loss")
    head = ["", name or "train loss", "best", "difference", "train loss"] + ([f"to {reach:.0%}"] if reach is not None else [])
    rows = [head if name else [head[0], head[1], head[3]]]
    for net, own in runs.items():
        values = [run.metric if name else run.loss for run in own]
        differences = [one - (other.metric if name else other.loss) for one, other in zip(values, first, strict=True)]
        change = spread(differences, accuracy, sign=True) if own is not first else ""
        row = [net, spread(values, accuracy)]
        row += [spread([run.best for run in own], accuracy), change, spread([run.loss for run in own])] if name else [change]
        if reach is not None and name:
            row.append(reached(own))
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]) for row in rows]
    seeds = len(first)
    how = f"means of {seeds} seeds, +- their standard deviation" if seeds > 1 else "of one seed: differences may be chance"
    return [*(line.rstrip() for line in lines), f"{how}; differences are seed by seed, to {next(iter(runs))}"]


def spread(values: Sequence[float], percent: bool = False, sign: bool = False) -> str:
    """The mean and, of several, the standard deviation."""
    factor, unit, digits = (100, "%", 2) if percent else (1, "", 4)
    plus = "+" if sign else ""
    text = f"{factor * mean(values):{plus}.{digits}f}"
    if len(values) > 1:
        text += f" +- {factor * stdev(values):.{digits}f}"
    return text + unit


def reached(runs: Sequence[Run]) -> str:
    """The mean of the iterations, or of the epochs where those were counted, and how many runs came that far where not all did."""
    some = [run for run in runs if run.reached is not None]
    if not some:
        return "never"
    in_epochs = all(run.epochs is not None for run in some)
    counts = [float((run.epochs if in_epochs else run.reached) or 0) for run in some]
    digits = 1 if in_epochs else 0
    text = f"{mean(counts):.{digits}f}" + (f" +- {stdev(counts):.{digits}f}" if len(counts) > 1 else "")
    text += " epochs" if in_epochs else ""
    return text + (f" ({len(some)} of {len(runs)})" if len(some) < len(runs) else "")
