"""Testing: a net's outputs averaged over a number of batches."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.solver.remember import ROUNDS
from runtime.solver.results import NotFiniteError, TestResult, accuracy_names, numbers, shown_of, total_loss

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


def run_test(
    executable: Executable,
    batches: int,
    iteration: int = 0,
    index: int = 0,
    stop: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], None] = lambda done: None,
    **inputs: Any,
) -> TestResult | None:
    """Run a net forward over `batches` batches.

    Where devices run ahead of the host, results are read at the end, and when ROUNDS batches are unread.

    Parameters
    ----------
    executable: one that remembers results, see runtime/solver/remember.py.
    iteration, index: go into the result; the iteration also numbers the batches for kernels that draw numbers.
    stop: called before each batch; if it returns true, there is no result.
    on_batch: called with how many batches are done.
    inputs: for a net fed by Input layers; the same for each batch.

    Raises
    ------
    NotFiniteError: a loss is not finite, or an output is no number.
    """
    sums = _Sums(executable, batches)
    unread: list[int] = []  # the numbers of runs
    for batch in range(batches):
        if stop():
            return None
        unread.append(iteration * batches + batch)
        executable.run_forward(unread[-1], **inputs)
        if len(unread) == ROUNDS or not executable.runs_ahead:
            sums.read(unread)
            unread = []
        on_batch(batch + 1)
    sums.read(unread)
    return sums.result(iteration, index)


class _Sums:
    """What the batches of a test add up to, as far as they were read."""

    def __init__(self, executable: Executable, batches: int):
        self.executable, self.batches = executable, batches
        self.outputs: defaultdict[str, float] = defaultdict(float)
        self.loss: float | None = None

    def read(self, runs: Sequence[int]) -> None:
        """Add the results of runs, by their numbers; raises as `run_test`."""
        for run, values in zip(runs, self.executable.remembered(runs), strict=True):
            loss = total_loss(self.executable.net, values)
            outputs = numbers({blob.name: values[blob] for blob in shown_of(self.executable.net)})
            check_finite(loss, outputs, self.executable, run % self.batches, run == runs[-1])
            if loss is not None:
                self.loss = (self.loss or 0.0) + loss
            for name, value in outputs.items():
                self.outputs[name] += value

    def result(self, iteration: int, index: int) -> TestResult:
        """Means over all batches."""
        means = {name: value / self.batches for name, value in self.outputs.items()}
        loss = None if self.loss is None else self.loss / self.batches
        return TestResult(iteration, index, loss, means, accuracy_names(self.executable.net, means))


def check_finite(loss: float | None, outputs: Mapping[str, float], executable: Executable, batch: int, is_last: bool) -> None:
    """That a batch's loss is finite and its outputs are numbers; an output that is no loss may be infinite.

    Parameters
    ----------
    batch: its number, from 0.  is_last: whether it is the last that ran, so that the layer at fault can be found.

    Raises
    ------
    NotFiniteError: one is not.
    """
    wrong = {name: value for name, value in outputs.items() if math.isnan(value)}
    if loss is not None and not math.isfinite(loss):
        wrong = {"loss": loss, **wrong}
    for name, value in wrong.items():
        first = executable.first_non_finite() if is_last else None
        where = f": the first output that is not finite is of {first}" if first else ""
        raise NotFiniteError(f"{name} is {value} in batch {batch + 1} of the test{where}")
