"""The curves of a run's log: losses, accuracies and rates over the iterations, and when an accuracy was first reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from runtime.solver.log import Record

SMOOTHED = 40  # the part of a run's shown losses that a mean is over, where the solver gives none: 1 in so many
FEWEST = 5  # losses of such a mean

Points = tuple[list[int], list[float]]  # iterations and values; not a number where the log has null


@dataclass(frozen=True)
class Curves:
    """A run's curves.

    Attributes
    ----------
    batches: the loss of single batches.  loss: the smoothed one.  tests, rates: of the first test net, and learning rates.
    accuracies: of the tests, by name, as shares.  epoch: iterations of an epoch; None where the run did not count them.
    """

    label: str
    batches: Points
    loss: Points
    tests: Points
    rates: Points
    accuracies: dict[str, Points] = field(default_factory=dict)
    epoch: float | None = None

    def reached(self, share: float) -> int | None:
        """The iteration of the first test whose first accuracy is at least so high; None if no test's is."""
        at, values = next(iter(self.accuracies.values()), ([], []))
        return next((iteration for iteration, value in zip(at, values, strict=True) if value >= share), None)

    def reach_text(self, share: float) -> str:
        """Such as "error first under 25% after 5.0 epochs"."""
        error = f"{100 * (1 - share):g}%"
        if not self.accuracies:
            return "no accuracy is tested"
        iteration = self.reached(share)
        if iteration is None:
            return f"error never under {error}"
        when = f"{iteration:,} iterations" if self.epoch is None else f"{iteration / self.epoch:.1f} epochs"
        return f"error first under {error} after {when}"


def curves_of(label: str, records: Sequence[Record]) -> Curves:
    """The curves of a log."""
    trained, tested = trained_and_tested(records)
    at = [record["iteration"] for record in trained]
    batches = column(trained, "batch_loss" if any("batch_loss" in record for record in trained) else "loss")
    loss = column(trained, "loss")
    rated = [record for record in trained if record.get("rate") is not None]
    shown = [record for record in tested if record.get("loss") is not None]
    counted = [record for record in trained if record.get("epoch") and record["iteration"]]
    return Curves(
        label,
        (at, batches),
        (at, loss if _differs(loss, batches) else running_mean(batches)),
        ([record["iteration"] for record in shown], column(shown, "loss")),
        ([record["iteration"] for record in rated], column(rated, "rate")),
        {name: _accuracy(tested, name) for name in accuracy_names(tested)},
        counted[-1]["iteration"] / counted[-1]["epoch"] if counted else None,
    )


def trained_and_tested(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """A log's iterations, and the tests of its first test net."""
    trained = [record for record in records if record["event"] == "train"]
    return trained, [record for record in records if record["event"] == "test" and not record.get("net")]


def accuracy_names(tested: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for record in tested for name in record.get("accuracies", ())))


def column(records: Sequence[Record], key: str) -> list[float]:
    """A record's numbers; not a number where the log has null."""
    return [float("nan") if record.get(key) is None else record[key] for record in records]


def running_mean(values: Sequence[float]) -> list[float]:
    """The mean of each value and of those before it, as many as are an 1 in SMOOTHED of all, FEWEST at the least.

    Each sum is of two: to the end of a block of so many values, and from the start of the next. Nothing is subtracted, so that a
    huge value is in its own means alone.
    """
    size = max(FEWEST, len(values) // SMOOTHED)
    known = [value if value == value else 0.0 for value in values]
    counts = [0, *accumulate(int(value == value) for value in values)]
    heads, tails = list[float](), list[float]()
    for start in range(0, len(known), size):
        block = known[start : start + size]
        heads += accumulate(block)
        tails += [*accumulate(block[::-1])][::-1]
    means = []
    for index, head in enumerate(heads):
        first = max(0, index - size + 1)
        count = counts[index + 1] - counts[first]
        total = head if first % size == 0 else tails[first] + head
        means.append(total / count if count else float("nan"))
    return means


def _accuracy(tested: Sequence[Record], name: str) -> Points:
    values = [record.get("outputs", {}).get(name) for record in tested]
    return [record["iteration"] for record in tested], [float("nan") if value is None else value for value in values]


def _differs(loss: Sequence[float], batches: Sequence[float]) -> bool:
    return any(a != b for a, b in zip(loss, batches, strict=True) if a == a and b == b)
