"""The best test of a run, and how many have come since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from runtime.solver.log import Record
from runtime.solver.results import TestResult


@dataclass
class Best:
    """The best of the tests that have run, by the metric that `plateau` watches too.

    Attributes
    ----------
    since: tests after it.
    """

    name: str = ""
    value: float | None = None
    iteration: int = 0
    since: int = 0

    def take(self, result: TestResult) -> bool:
        """Take note of a test of the first test net; returns whether it is the best one now."""
        if result.metric is None:
            return False
        value, higher = result.metric
        if self.value is not None and not (value > self.value if higher else value < self.value):
            self.since += 1
            return False
        self.name = result.accuracies[0] if higher else "loss"
        self.value, self.iteration, self.since = value, result.iteration, 0
        return True

    def take_log(self, records: Iterable[Record], before: float = inf) -> None:
        """Take note of the tests that a run's log has, of those before an iteration."""
        for record in records:
            if record["event"] == "test" and not record.get("net") and record.get("iteration", before) < before:
                outputs, accuracies = record.get("outputs", {}), tuple(record.get("accuracies", ()))
                if all(outputs.get(name) is not None for name in accuracies[:1]):
                    self.take(TestResult(record["iteration"], 0, record.get("loss"), outputs, accuracies))
