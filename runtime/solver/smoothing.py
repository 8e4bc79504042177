"""The loss that is shown: the mean over the last `average_loss` iterations, kept as Caffe keeps it."""

from typing import Any


class SmoothedLoss:
    """A running mean over a window of iterations, 0 before the first."""

    def __init__(self, window: int) -> None:
        self.window = max(1, window)
        self.losses: list[float] = []
        self.count = 0  # losses added so far
        self.value = 0.0

    def add(self, loss: float) -> None:
        if len(self.losses) < self.window:
            self.losses.append(loss)
            size = len(self.losses)
            self.value = (self.value * (size - 1) + loss) / size
        else:
            oldest = self.count % self.window
            self.value += (loss - self.losses[oldest]) / self.window
            self.losses[oldest] = loss
        self.count += 1

    def state(self) -> dict[str, Any]:
        """What a snapshot must keep, as JSON."""
        return {"losses": self.losses, "count": self.count, "value": self.value}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state()`; start afresh where it has none or its window was another."""
        losses = [float(loss) for loss in state.get("losses", [])]
        complete = len(losses) == self.window or (len(losses) < self.window and state.get("count") == len(losses))
        if not complete:
            losses, state = [], {}
        self.losses = losses
        self.count = int(state.get("count", 0))
        self.value = float(state.get("value", 0.0))
