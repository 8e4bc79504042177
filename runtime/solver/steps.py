"""What iterations came to: losses that stay on the device, and are read all at once when somebody asks for one of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from netdef.language.diagnostics import NetdefError
from runtime.solver.remember import ROUNDS
from runtime.solver.results import numbers, shown_of
from runtime.solver.smoothing import SmoothedLoss

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


class Step:
    """One iteration of training.

    Attributes
    ----------
    iteration: its number, from 0.
    rate: of the update.
    losses: of its batches, as far as they were read.
    """

    def __init__(self, steps: Steps, iteration: int, rate: float, executable: Executable):
        self.iteration, self.rate = iteration, rate
        self.losses: list[float] = []
        self._steps, self._executable = steps, executable
        self._end = executable.runs + steps.batches
        self._smoothed = 0.0

    @property
    def runs(self) -> range:
        """The numbers of its batches' runs."""
        batches = self._steps.batches
        return range(self.iteration * batches, (self.iteration + 1) * batches)

    def look(self, batches: int) -> None:
        """Read the losses of its first batches before it is done; waits for them.

        Raises
        ------
        DivergedError: one is not finite.
        """
        self._steps.look(self, batches)

    @property
    def so_far(self) -> float:
        """What the batches that were read add to the iteration's loss; those behind one that makes it infinite are left out."""
        total = 0.0
        for loss in self.losses:
            total += loss / self._steps.batches
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
        return self.so_far

    @property
    def smoothed(self) -> float:
        """Mean of the last `average_loss` losses."""
        self.settle()
        return self._smoothed

    @cached_property
    def outputs(self) -> dict[str, float]:
        """The last batch's outputs that are small enough to show; to be asked for before the next iteration, as only losses stay.

        Raises
        ------
        NetdefError: the net has run again.
        """
        self.settle()
        shown = [blob.name for blob in shown_of(self._executable.net)]
        if self._executable.runs != self._end:
            raise NetdefError(f"{', '.join(shown)}: not kept, and the net has run again", hint="ask after each iteration")
        return numbers({name: self._executable.blob(name) for name in shown})

    def settle(self) -> None:
        """Wait until this iteration's losses are known, and those before."""
        self._steps.settle(self)

    def settled(self, smoothed: float) -> None:
        self._smoothed = smoothed


class Steps:
    """The iterations whose losses have not been read yet: at most as many as the device remembers.

    Parameters
    ----------
    batches: in one iteration.
    read: gives the losses of runs by their numbers, which is where the device is waited for.
    smoothed: takes the losses, in order.
    diverged: makes the error for an iteration whose loss is not finite.
    """

    def __init__(
        self,
        batches: int,
        read: Callable[[Sequence[int]], list[float]],
        smoothed: SmoothedLoss,
        diverged: Callable[[Step], Exception],
    ):
        self.batches, self._read, self._smoothed, self._diverged = batches, read, smoothed, diverged
        self.room = max(ROUNDS, batches) // batches
        self._waiting: deque[Step] = deque()

    def add(self, step: Step) -> None:
        """Take an iteration; the losses are read when the next one's would take the place of the first one's."""
        self._waiting.append(step)
        if len(self._waiting) >= self.room:
            self.settle()

    def look(self, step: Step, batches: int) -> None:
        """`Step.look`."""
        self._fill([step], batches)
        self._check(step)

    def settle(self, last: Step | None = None) -> None:
        """Read all losses up to an iteration's, by default all.

        Raises
        ------
        DivergedError: one is not finite.  What was trained on it stays bad: it is raised whenever this is asked, until `forget`.
        """
        count = len(self._waiting) if last is None else self._waiting.index(last) + 1 if last in self._waiting else 0
        due = list(islice(self._waiting, count))
        self._fill(due, self.batches)
        for step in due:
            self._check(step)
            self._waiting.popleft()
            self._smoothed.add(step.so_far)
            step.settled(self._smoothed.value)

    def _fill(self, steps: Sequence[Step], batches: int) -> None:
        """Read the losses of the first batches of each of these iterations, all at once."""
        unread = [step for step in steps if len(step.losses) < batches]
        if unread:
            losses = iter(self._read([run for step in unread for run in step.runs[:batches]]))
            for step in unread:
                step.losses = list(islice(losses, batches))

    def _check(self, step: Step) -> None:
        if not math.isfinite(step.so_far):
            raise self._diverged(step)

    def forget(self) -> None:
        """Drop what was not read."""
        self._waiting.clear()
