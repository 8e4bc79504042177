"""Testing: a net's outputs averaged over a number of batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runtime.solver.remember import ROUNDS
from runtime.solver.results import TestResult, accuracy_names, numbers, shown_of, total_loss

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
    """Run a net forward over `batches` batches; what they come to is read at the end, and when ROUNDS of them are unread.

    Parameters
    ----------
    executable: one that remembers results, see runtime/solver/remember.py.
    iteration, index: go into the result; the iteration also numbers the batches for kernels that draw numbers.
    stop: asked before each batch; if it says so, there is no result.
    on_batch: told how many batches are done.
    inputs: for a net fed by Input layers; the same for each batch.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    loss_sum: float | None = None
    unread: list[int] = []  # the numbers of runs

    def read() -> None:
        nonlocal loss_sum
        for values in executable.remembered(unread):
            loss = total_loss(executable.net, values)
            if loss is not None:
                loss_sum = (loss_sum or 0.0) + loss
            for name, value in numbers({blob.name: values[blob] for blob in shown}).items():
                sums[name] += value
        unread.clear()

    shown = shown_of(executable.net)
    for batch in range(batches):
        if stop():
            return None
        unread.append(iteration * batches + batch)
        executable.set_scalar("iteration", unread[-1])
        executable.run_forward(**inputs)
        if len(unread) == ROUNDS:
            read()
        on_batch(batch + 1)
    read()
    means = {name: value / batches for name, value in sums.items()}
    mean_loss = None if loss_sum is None else loss_sum / batches
    return TestResult(iteration, index, mean_loss, means, accuracy_names(executable.net, means))
