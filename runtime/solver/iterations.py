"""The results of iterations: losses that stay on the device, and are read all at once when one of them is asked for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from netdef.language.diagnostics import NetdefError
from runtime.solver.diverged import DivergedError
from runtime.solver.remember import ROUNDS
from runtime.solver.results import numbers, shown_of, total_loss
from runtime.solver.smoothing import SmoothedLoss

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


class Iteration:
    """One iteration of training.

    Attributes
    ----------
    iteration: its number, from 0.
    rate: of the update.
    losses: of its batches, as far as they were read.
    """

    def __init__(self, iterations: Iterations, iteration: int, rate: float):
        self.iteration, self.rate = iteration, rate
        self.losses: list[float] = []
        self._iterations, self._executable = iterations, iterations.executable
        self._smoothed = 0.0
        self._outputs: dict[str, float] | None = None  # no cached_property: of Python 3.11, all of a class share one lock

    @property
    def runs(self) -> range:
        """The numbers of its batches' runs: each batch has its own, so that each has its own dropout masks."""
        batches = self._iterations.batches
        return range(self.iteration * batches, (self.iteration + 1) * batches)

    def read_losses(self, batches: int) -> None:
        """Read the losses of its first batches before it is done; waits for them.

        Raises
        ------
        DivergedError: one is not finite.
        """
        self._iterations.read_losses(self, batches)

    @property
    def partial_loss(self) -> float:
        """What the batches that were read add to the iteration's loss; those behind one that makes it infinite are left out."""
        total = 0.0
        for loss in self.losses:
            total += loss / self._iterations.batches
            if not math.isfinite(total):
                break
        return total

    @property
    def loss(self) -> float:
        """Of the iteration's batches, before the update.  Like the others, waits for the device.

        Raises
        ------
        DivergedError: it, or that of an iteration before, is not finite.
        """
        self.settle()
        return self.partial_loss

    @property
    def smoothed(self) -> float:
        """Mean of the last `average_loss` losses."""
        self.settle()
        return self._smoothed

    @property
    def outputs(self) -> dict[str, float]:
        """The last batch's outputs that are small enough to show; to be read before the next iteration, as only losses stay.

        Raises
        ------
        NetdefError: the net has run again.
        """
        if self._outputs is not None:
            return self._outputs
        self.settle()
        shown = [blob.name for blob in shown_of(self._executable.net)]
        if self._executable.run_number != self.runs[-1]:
            raise NetdefError(f"{', '.join(shown)}: not kept, and the net has run again", hint="ask after each iteration")
        self._outputs = numbers({name: self._executable.blob(name) for name in shown})
        return self._outputs

    def settle(self) -> None:
        """Wait until this iteration's losses are known, and those before."""
        self._iterations.settle(self)

    def settled(self, smoothed: float) -> None:
        self._smoothed = smoothed


class Iterations:
    """The iterations whose losses have not been read yet: at most as many as the device remembers.

    Parameters
    ----------
    executable: that trains, and remembers the losses of its runs.
    batches: in one iteration.
    smoothed: takes the losses, in order.
    """

    def __init__(self, executable: Executable, batches: int, smoothed: SmoothedLoss):
        self.executable, self.batches, self._smoothed = executable, batches, smoothed
        self.room = max(ROUNDS, batches) // batches
        self._waiting: deque[Iteration] = deque()

    def add(self, iteration: Iteration) -> None:
        """Take an iteration; the losses are read when the next one's would overwrite the first one's."""
        self._waiting.append(iteration)
        if len(self._waiting) >= self.room:
            self.settle()

    def read_losses(self, iteration: Iteration, batches: int) -> None:
        """`Iteration.read_losses`."""
        self._fill([iteration], batches)
        self._check(iteration, updated=False)

    def settle(self, last: Iteration | None = None) -> None:
        """Read all losses up to an iteration's, by default all.

        Raises
        ------
        DivergedError: one is not finite.  The weights stay bad: it is raised by each call, until `forget`.
        """
        count = len(self._waiting) if last is None else self._waiting.index(last) + 1 if last in self._waiting else 0
        due = list(islice(self._waiting, count))
        self._fill(due, self.batches)
        for one in due:
            self._check(one)
            self._waiting.popleft()
            self._smoothed.add(one.partial_loss)
            one.settled(self._smoothed.value)

    def _fill(self, iterations: Sequence[Iteration], batches: int) -> None:
        """Read the losses of the first batches of each of these iterations, all at once."""
        unread = [one for one in iterations if len(one.losses) < batches]
        if unread:
            runs = [run for one in unread for run in one.runs[:batches]]
            remembered = self.executable.remembered(runs)  # which is where the device is waited for
            losses = iter([total_loss(self.executable.net, values) or 0.0 for values in remembered])
            for one in unread:
                one.losses = list(islice(losses, batches))

    def _check(self, one: Iteration, updated: bool = True) -> None:
        if not math.isfinite(one.partial_loss):
            what = f"the loss is {one.partial_loss} at iteration {one.iteration}"
            raise DivergedError(what, one.rate, one.iteration, None if updated else self.executable)

    def forget(self) -> None:
        """Drop what was not read."""
        self._waiting.clear()
