"""What a selftest runs: models whose kernels, with those of kinds.net, are all that there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KINDS = Path(__file__).with_name("kinds.net")


@dataclass(frozen=True)
class Sizes:
    """How much a selftest does.

    Parameters
    ----------
    nets: whose kernels are compared, (model or file, batch size).
    trained, batch, iterations: the training run that must come to the same weights.
    measured, measured_batch: the net whose speed is measured.
    rounds: how often each measurement is taken.
    """

    nets: tuple[tuple[str, int], ...]
    trained: str
    batch: int
    iterations: int
    measured: str
    measured_batch: int
    rounds: int


CARD = Sizes(((str(KINDS), 6), ("lenet", 33), ("alexnet", 16), ("googlenet", 4)), "alexnet", 16, 10, "alexnet", 128, 20)
CPU = Sizes(((str(KINDS), 6), ("lenet", 33), ("alexnet", 4)), "alexnet", 4, 3, "alexnet", 16, 3)
