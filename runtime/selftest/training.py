"""Whether training on a device gives the same weights as on a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netdef.loading import load
from runtime.kernels.cuda.options import CudaOptions
from runtime.solver.solver import Solver

# With a rate of 0.01 AlexNet's losses rise at first, and after ten iterations the last bits of the first weights are 3% of the way.
SOLVER = 'base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 1000 random_seed: 1'


@dataclass(frozen=True)
class Run:
    """Weights before and after, and the loss of each iteration."""

    before: list[np.ndarray]
    after: list[np.ndarray]
    losses: list[float]


@dataclass(frozen=True)
class Drift:
    """How far two runs' weights are apart, as a share of the way they went; `loss`: their last losses' difference, as a share."""

    weights: float
    loss: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.weights <= self.allowed and self.loss <= self.allowed


def train(net: str, batch: int, iterations: int, devices: str, threads: int | None = None, cuda: CudaOptions | None = None) -> Run:
    """Some iterations of a model on its own data, or on made-up data where it has none."""
    from runtime.selftest.agreement import noise

    loaded = load(net, phase="train", batch_size=batch)
    solver = Solver(SOLVER, loaded, devices, threads=threads, cuda=cuda)
    try:
        fed: dict[str, Any] = noise(solver.executable)
        before = _weights(solver)
        made = [solver.iterate(**fed) for _ in range(iterations)]
        return Run(before, _weights(solver), [one.loss for one in made])
    finally:
        solver.close()


def drift(reference: Run, run: Run, allowed: float) -> Drift:
    """How far a run is from its reference, and may be."""
    pairs = list(zip(reference.before, reference.after, run.after, strict=True))
    way = sum(float(np.square(after - before, dtype=np.float64).sum()) for before, after, _ in pairs)
    apart = sum(float(np.square(after - other, dtype=np.float64).sum()) for _, after, other in pairs)
    loss = abs(run.losses[-1] - reference.losses[-1]) / max(abs(reference.losses[-1]), 1e-30)
    return Drift((apart / way) ** 0.5 if way else float("inf"), loss, allowed)


def _weights(solver: Solver) -> list[np.ndarray]:
    executable = solver.executable
    return [executable.param(p.layer.name, p.index) for p in executable.net.parameters]
