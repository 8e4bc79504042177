"""The results of a test: numbers by the names of the net's outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.graph.layer import Blob
    from netdef.graph.net import Net

SHOWN = 32  # elements of an output that are shown; larger ones (a batch of probabilities) are not


class NotFiniteError(NetdefError):
    """A test's loss is not finite, or one of its outputs is no number."""


@dataclass(frozen=True)
class TestResult:
    """Means over one test.

    Attributes
    ----------
    iteration: how many updates the weights had had.
    net: which test net, from 0.
    loss: None for a net without any.
    outputs: by name, accuracies in [0, 1].
    accuracies: the names among them that are shares of right answers, in the net's order.
    images: how many the test ran on.
    """

    iteration: int
    net: int
    loss: float | None
    outputs: dict[str, float]
    accuracies: tuple[str, ...]
    images: int = 0

    @property
    def metric(self) -> tuple[float, bool] | None:
        """(value, whether higher is better): the first accuracy, else the loss."""
        if self.accuracies:
            return self.outputs[self.accuracies[0]], True
        return None if self.loss is None else (self.loss, False)


def numbers(outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The outputs that are small enough to show, element by element."""
    flat: dict[str, float] = {}
    for name, array in outputs.items():
        if array.size == 1:
            flat[name] = float(array.reshape(-1)[0])
        elif array.size <= SHOWN:
            flat |= {f"{name}[{index}]": float(value) for index, value in enumerate(array.reshape(-1))}
    return flat


def losses_of(net: Net) -> list[tuple[Blob, float]]:
    """The blobs that make the loss, with their weights."""
    tops = [pair for layer in net.layers for pair in zip(layer.tops, layer.loss_weights, strict=True)]
    return [(blob, weight) for blob, weight in tops if weight]


def shown_of(net: Net) -> list[Blob]:
    """The outputs that are small enough to show; probabilities, whose means say little, only where there are no others."""
    small = [blob for blob in net.outputs if blob.count <= SHOWN]
    return [blob for blob in small if not blob.producer.gives_probabilities] or small


def total_loss(net: Net, values: Mapping[Blob, np.ndarray]) -> float | None:
    """The weighted sum of the losses, all of them among `values`; None for a net without any."""
    losses = losses_of(net)
    return float(sum(weight * float(values[blob].sum(dtype=np.float64)) for blob, weight in losses)) if losses else None


def accuracy_names(net: Net, among: Iterable[str]) -> tuple[str, ...]:
    """The outputs that are shares of right answers."""
    tops = [layer.tops[0].name for layer in net.layers if layer.is_accuracy]
    return tuple(name for name in tops if name in among)
