"""A whole training from Python, with functions that are called on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from netdef.language.html_table import table
from netdef.language.units import plural
from runtime.machine.executable import Executable
from runtime.solver.iterations import Iteration
from runtime.solver.results import TestResult
from runtime.solver.smoothing import SmoothedLoss

OnIteration = Callable[[Iteration], Any]  # one that returns True ends the training
OnTest = Callable[[list[TestResult]], Any]


class Trains(Protocol):
    """What a training needs of a Solver."""

    parameters: Any
    executable: Executable
    tests: list[Any]
    smoothed: SmoothedLoss
    iteration: int

    @property
    def test_due(self) -> bool: ...

    @property
    def snapshot_due(self) -> bool: ...

    def test(self, **inputs: Any) -> list[TestResult] | None: ...

    def iterate(self, **inputs: Any) -> Iteration: ...

    def snapshot(self) -> Path: ...


class Solves:
    """What a Solver does with its iterations, its tests and its snapshots."""

    def solve(
        self: Trains, on_iteration: OnIteration | None = None, on_test: OnTest | None = None, **inputs: Any
    ) -> list[TestResult] | None:
        """Train to max_iter, testing and writing snapshots where the solver says so; at the end test once more.

        Parameters
        ----------
        on_iteration: called with each Iteration after its update; `loss` and `rate` are among its attributes.
        on_test: called with the results of each test, a TestResult for each test net.
            One of them that returns True ends the training; the snapshot of the end is written all the same.
        inputs: as of `step`.

        Returns
        -------
        The results of the last test; None without test nets.

        Raises
        ------
        DivergedError: a loss is not finite.
        """
        results, tested, saved, ends = None, -1, -1, False

        def test() -> bool:
            nonlocal results, tested
            results, tested = self.test(**inputs), self.iteration
            return on_test is not None and results is not None and on_test(results) is True

        while self.iteration < self.parameters.max_iter and not ends:
            if self.test_due and tested != self.iteration and test():
                break
            made = self.iterate(**inputs)
            ends = on_iteration is not None and on_iteration(made) is True
            if self.snapshot_due:
                self.snapshot()
                saved = self.iteration
        if self.parameters.snapshot_after_train and saved != self.iteration:
            self.snapshot()
        if self.tests and tested != self.iteration:
            test()
        return results

    def _repr_html_(self: Trains) -> str:
        """Its state as a table, and its executable, for notebooks."""
        rows: list[tuple[str, Any]] = [("iteration", f"{self.iteration} of {self.parameters.max_iter}")]
        if self.iteration:
            rows.append(("loss", f"{self.smoothed.value:.5g}"))
        rows += [
            ("type", self.parameters.type),
            ("rates", f"{self.parameters.lr_policy or 'fixed'}, base_lr {self.parameters.base_lr:g}"),
            (
                "tests",
                f"{plural(len(self.tests), 'net')}, every {self.parameters.test_interval} iterations" if self.tests else "none",
            ),
            ("snapshots", f"every {self.parameters.snapshot} iterations" if self.parameters.snapshot else "none on the way"),
        ]
        return table(repr(self), ("", ""), rows) + self.executable._repr_html_()
