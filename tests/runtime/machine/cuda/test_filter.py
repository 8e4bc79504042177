"""Filter on cards: the host reads the selector, and the card moves the images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import netdef
import runtime
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.ops.gather.test_filter import FILTER, INPUTS, LEARNED, batches


def trained(devices: str) -> tuple[list[float], np.ndarray]:
    """Losses and the last weights; each batch three times, so that what can be captured as a graph is."""
    text = 'base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 99 random_seed: 5'
    with runtime.Solver(text, netdef.parse(INPUTS + FILTER + LEARNED, phase="train"), devices) as solver:
        losses = [solver.step(**fed) for fed, _ in batches() for _ in range(3)]
        return losses, solver.executable.param("fc", 0)


@pytest.mark.parametrize("devices", ["gpu:0", "gpu:0,gpu:1"])
def test_training_has_the_cpus_numbers(machine: Callable[..., Cards], execute: Callable, devices: str) -> None:
    expected, weights = trained(devices.replace("gpu", "cpu"))
    machine(count=2, execute=execute, seed=1)
    losses, mine = trained(devices)
    assert losses == pytest.approx(expected, rel=1e-4)
    assert mine == pytest.approx(weights, rel=1e-3, abs=1e-5)
