"""A training run from its first iteration to its last: when to test, to show, to write and to stop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError
from runtime.machine.feeding import DataError
from runtime.machine.ranks.rounding import relative_error
from runtime.solver.best import Best
from runtime.solver.display import Reporter
from runtime.solver.diverged import DivergedError
from runtime.solver.epochs import Epoch
from runtime.solver.iterations import Iteration
from runtime.solver.keep import Keep, remove_old
from runtime.solver.log import Record
from runtime.solver.results import TestResult
from runtime.solver.solver import Solver
from runtime.solver.stop import StopRequest
from runtime.solver.testing import batches_of_pass

LIVE_INTERVAL = 0.5  # seconds between updates of a progress bar
DISPLAYS = 100  # lines in a run whose solver does not say how often to show one, at most one in DISPLAYS iterations


@dataclass
class Clock:
    """Seconds spent on training and on testing, apart.

    first: on the first iteration, which may compile kernels.  last_test: on the last test; the first may compile too.
    """

    iterations: int = 0
    training: float = 0.0
    first: float = 0.0
    testing: float = 0.0
    last_test: float = 0.0

    def train(self, seconds: float) -> None:
        """One more iteration."""
        self.first = self.first or seconds
        self.iterations += 1
        self.training += seconds

    def test(self, seconds: float) -> None:
        """One more test of all test nets."""
        self.testing += seconds
        self.last_test = seconds

    def remaining(self, iterations: int, tests: int) -> float | None:
        """How long so many more iterations and tests will take; None before there is anything to go by."""
        if self.iterations < 2:
            return None
        return iterations * (self.training - self.first) / (self.iterations - 1) + tests * self.last_test


@dataclass
class Outcome:
    """The results of a run.

    Attributes
    ----------
    last: the results of the last test. snapshot: the last one written, or None. interrupted: ended by a signal.
    out_of_patience: ended by tests that did not get better.
    """

    clock: Clock = field(default_factory=Clock)
    best: Best = field(default_factory=Best)
    last: list[TestResult] = field(default_factory=list)
    snapshot: Path | None = None
    interrupted: bool = False
    out_of_patience: bool = False


class TrainingLoop:
    """Drives a Solver to its max_iter, and reports what happens.

    Parameters
    ----------
    reporter: receives every record.
    stop: asked after each iteration and before each batch of a test.
    keep: which snapshots stay; None keeps all.
    patience: tests without a better one that end the run; None goes on to max_iter.
    epoch: what to count epochs by, if they are to be shown.
    """

    def __init__(
        self,
        solver: Solver,
        reporter: Reporter,
        stop: StopRequest,
        *,
        keep: Keep | None = None,
        patience: int | None = None,
        epoch: Epoch | None = None,
    ) -> None:
        self.solver, self.report, self.stop = solver, reporter.report, stop
        self.keep, self.patience, self.epoch = keep, patience, epoch
        self.live_interval = LIVE_INTERVAL if reporter.live else float("inf")
        self.max_iter: int = solver.parameters.max_iter
        self.display = display_interval(solver.parameters)
        self.outcome = Outcome()
        self.saved_at: int | None = None
        self.tested_at: int | None = None
        self._shown_at = 0.0  # when the last train record was made
        self._since = Clock()  # iterations since the last one that was due
        self._error_shown = False  # that of rounded gradients
        self._busy = 0.0  # what the executable had computed by then

    def run(self) -> Outcome:
        """Train; on a stop request, end after the iteration with a snapshot.

        Raises
        ------
        DivergedError: the loss is not finite, and nothing is written; or a test's is not.
        DataError: data cannot be read; a snapshot keeps what was trained.
        NetdefError: a snapshot could not be written.
        """
        solver = self.solver
        while solver.iteration < self.max_iter and not self.stop:
            if solver.test_due and (not self._test() or self.outcome.out_of_patience):
                break
            self._iterate()
            if solver.snapshot_due:
                self._snapshot()
        self.outcome.interrupted = bool(self.stop) and solver.iteration < self.max_iter
        if self.saved_at != solver.iteration and (self.outcome.interrupted or solver.parameters.snapshot_after_train):
            self._snapshot()
        if solver.tests and not self.stop and self.tested_at != solver.iteration:
            self._test()
        return self.outcome

    def go_on(self, records: Sequence[Record]) -> None:
        """Go on from the snapshot that the solver has restored, with the tests of the log that are not made again."""
        solver = self.solver
        self.saved_at = solver.iteration
        again = solver.test_due or solver.iteration >= self.max_iter
        self.outcome.best.take_log(records, solver.iteration + (not again))

    def _iterate(self) -> None:
        begun = time.perf_counter()
        try:
            made = self.solver.iterate()
        except DataError as error:
            self._keep_trained(error)
            raise
        due = self.display > 0 and made.iteration % self.display == 0
        shown = due or time.perf_counter() - self._shown_at >= self.live_interval
        # Where it is due in any case, wait here, so that the time is that of all iterations, not only of starting them.
        if shown or self.solver.test_due or self.solver.snapshot_due or self.solver.iteration >= self.max_iter:
            made.settle()
        now = time.perf_counter()
        for clock in (self.outcome.clock, self._since):
            clock.train(now - begun)
        self._show_rounding()
        if shown:
            self._shown_at = now
            self._show(made, due)

    def _show(self, made: Iteration, due: bool) -> None:
        since, left = self._since, self.max_iter - made.iteration - 1
        images = self.solver.batch_size * since.iterations
        timing: dict[str, Any] = {"images_per_second": round(images / since.training, 2), **self._by_rank(images)}
        remaining = self.outcome.clock.remaining(left, self._tests_left(made.iteration))
        if remaining is not None:
            timing["eta_seconds"] = round(remaining, 1)
        rate = float(f"{made.rate:.7g}")  # the solver's float32, as it was written
        values = {"loss": made.smoothed, "batch_loss": made.loss, "rate": rate, "outputs": made.outputs}
        epochs = {} if self.epoch is None else {"epoch": round(self.epoch.at(made.iteration), 3)}
        self.report("train", iteration=made.iteration, due=due, **epochs, **values, **timing)
        if due:
            self._since = Clock()

    def _show_rounding(self) -> None:
        """After the first iteration, where gradients are rounded: how large the error of that is."""
        ranks = self.solver.ranks
        if ranks is None or ranks.rounding is None or self._error_shown:
            return
        self._error_shown = True
        form, said = ranks.rounding.form, ranks.exchange((ranks.rounding.measured(), ranks.rounding.sent))
        if not any(sent for _, sent in said):
            text = f"--gradients {form} has no effect: with this split, ranks send each other no gradients of weights"
        else:
            error = relative_error([sums for sums, _ in said])
            beyond = ": some are beyond 65504, the largest number of fp16" if isinf(error) else ""
            text = f"gradients are sent as {form}: relative error {error:.2g} in the first iteration{beyond}"
        self.report("note", text=text)

    def _by_rank(self, images: int) -> dict[str, Any]:
        """Where ranks train: how many images a second each would do if it waited for no other, and the slowest of them."""
        ranks = self.solver.ranks
        if ranks is None:
            return {}
        busy, before = self._busy_seconds, self._busy
        self._busy = busy
        taken = ranks.exchange(busy - before)
        if not any(taken):  # cards compute by themselves, and nobody has measured how long
            return {}
        rates = [round(images / max(seconds, 1e-9), 2) for seconds in taken]
        slowest = rates.index(min(rates))
        return {"ranks_images_per_second": rates, "slowest_rank": slowest, "slowest_host": ranks.members[slowest].host}

    @property
    def _busy_seconds(self) -> float:
        """How long this rank has computed until now; 0 where there is one process."""
        return 0.0 if self.solver.ranks is None else self.solver.executable.busy_seconds

    def _tests_left(self, iteration: int) -> int:
        interval = self.solver.parameters.test_interval
        if not self.solver.tests or interval <= 0:
            return 0
        return self.max_iter // interval - iteration // interval

    def _test(self) -> bool:
        """Test all test nets; False if a stop request came first.

        Raises
        ------
        DivergedError: a result is not finite; a snapshot keeps what was trained.
        """
        solver = self.solver
        if self.keep is not None and self.keep.best and solver.iteration and self.saved_at != solver.iteration:
            self._snapshot()  # before the test: a run that resumes from it tests again, from the same images
        begun, stage, busy = time.perf_counter(), solver.rate.stage, self._busy_seconds
        try:
            results = solver.test(stop=lambda: bool(self.stop), on_batch=self._testing)
        except DivergedError:
            if solver.iteration and self.saved_at != solver.iteration:
                self._snapshot()
            raise
        except DataError as error:
            self._keep_trained(error)
            raise
        if results is None:
            return False
        seconds = time.perf_counter() - begun
        self._busy += self._busy_seconds - busy  # which is not training
        self.outcome.clock.test(seconds)
        self.outcome.last, self.tested_at = results, solver.iteration
        better = self.outcome.best.take(results[0])
        self.outcome.out_of_patience = self.patience is not None and self.outcome.best.since >= self.patience
        for result in results:
            values = {"loss": result.loss, "outputs": result.outputs, "accuracies": result.accuracies}
            self.report("test", iteration=result.iteration, net=result.net, **values, seconds=round(seconds, 3))
        if solver.rate.stage != stage:
            self.report("rate", iteration=solver.iteration, rate=solver.rate.at(solver.iteration))
        if better and self.keep is not None and self.keep.best and solver.writes:
            remove_old(self.solver.prefix, self.keep, self.outcome.best.iteration)
        return True

    def _testing(self, batch: int) -> None:
        now = time.perf_counter()
        if now - self._shown_at >= self.live_interval:
            self._shown_at = now
            batches = max(test.batches or batches_of_pass(test.executable) for test in self.solver.tests)
            self.report("testing", iteration=self.solver.iteration, batch=batch, batches=batches)

    def _keep_trained(self, error: NetdefError) -> None:
        """Write a snapshot before the run ends with an error of its data, where one can be resumed exactly.

        Raises
        ------
        NetdefError: it could not be written; that error, with the first.
        """
        solver = self.solver
        if solver.ranks is not None or not solver.iteration or self.saved_at == solver.iteration:
            return  # other ranks know nothing of it
        if solver.parameters.iter_size > 1 and solver.executable.carried():
            return
        try:
            self._snapshot()
        except NetdefError as second:
            raise NetdefError([*error.diagnostics, *second.diagnostics]) from None
        self.report("note", text="what was trained until then is kept: --resume latest goes on once the data are mended")

    def _snapshot(self) -> None:
        path = self.solver.snapshot()
        self.outcome.snapshot, self.saved_at = path, self.solver.iteration
        self.report("snapshot", iteration=self.solver.iteration, path=str(path))
        if self.keep is not None and self.solver.writes:
            remove_old(self.solver.prefix, self.keep, self.outcome.best.iteration)


def display_interval(solver: Any) -> int:
    """Iterations between lines: the solver's `display`, 0 for none; a hundredth of the run where it does not say."""
    if solver.HasField("display"):
        return solver.display
    return max(1, min(DISPLAYS, solver.max_iter // DISPLAYS))
