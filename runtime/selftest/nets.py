"""What a selftest runs: models whose kernels, with those of KINDS, are all that there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netdef.graph.net import Net
from netdef.layers.function import FUNCTIONS
from netdef.loading import load, parse

KINDS = "kinds"  # the net in kinds.net, to which a layer is added for each case of each function of one element


@dataclass(frozen=True)
class Sizes:
    """How much a selftest does.

    Parameters
    ----------
    nets: whose kernels are compared, (KINDS, or model or file, and batch size).
    trained, batch, iterations: the training run that must give the same weights.
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


CARD = Sizes(((KINDS, 6), ("lenet", 33), ("alexnet", 16), ("googlenet", 4)), "alexnet", 16, 10, "alexnet", 128, 20)
CPU = Sizes(((KINDS, 6), ("lenet", 33), ("alexnet", 4)), "alexnet", 4, 3, "alexnet", 16, 3)


def open_net(name: str, batch: int) -> Net:
    """A net whose kernels are compared."""
    if name != KINDS:
        return load(name, phase="train", batch_size=batch)
    file = Path(__file__).with_name("kinds.net")
    return parse("\n".join([file.read_text(encoding="utf-8"), *functions("conv3")]), file.name, phase="train", batch_size=batch)


def functions(bottom: str) -> Iterator[str]:
    """A layer on this blob for each case of each function of one element, each with a loss weight."""
    for name, function in FUNCTIONS.items():
        for number, settings in enumerate(function.cases):
            yield f"layer {name.lower()}_{number}: {name}({bottom}) {{ {settings} loss_weight: 0.01 }}"
