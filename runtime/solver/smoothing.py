"""The loss that is shown: the mean over the last `average_loss` iterations."""

from collections import deque
from collections.abc import Sequence
from math import fsum


class SmoothedLoss:
    """A running mean over a window of iterations, 0 before the first."""

    def __init__(self, window: int) -> None:
        self._losses: deque[float] = deque(maxlen=max(1, window))

    def add(self, loss: float) -> None:
        self._losses.append(loss)

    @property
    def value(self) -> float:
        # Summed again each time: Caffe's running difference leaves rounding errors behind, below zero even.
        return fsum(self._losses) / len(self._losses) if self._losses else 0.0

    def state(self) -> list[float]:
        """What a snapshot must keep: the losses, oldest first."""
        return list(self._losses)

    def restore(self, losses: Sequence[float]) -> None:
        """Continue from a `state()`, of another window even."""
        self._losses.clear()
        self._losses.extend(losses)
