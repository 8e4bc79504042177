"""Whole networks on the CUDA device: its host code on stand-in cards with hostile streams, its kernels built for this processor.

Ten iterations must give the CPU device's weights, to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from runtime.devices.options import CudaOptions
from tests.runtime.devices.fake_cupy import Cards
from tests.runtime.devices.networks import ALEXNET, BRANCHES, LENET, train
from tests.runtime.kernels.cuda.on_cpu import build

NETS = {"alexnet": ALEXNET, "lenet": LENET, "branches": BRANCHES}


@pytest.fixture(scope="session")
def execute(tmp_path_factory: pytest.TempPathFactory) -> Callable:
    folder = tmp_path_factory.mktemp("kernels")
    return partial(run_on_cpu, folder)


def run_on_cpu(folder: Path, code: str, names: tuple[str, ...]) -> dict[str, Callable]:
    """The kernels of a source, for the stand-in."""
    module = build(code, names, folder)
    return {name: partial(module.launch, name) for name in names}


@cache
def on_cpu(name: str, iter_size: int = 1, clip: float = -1) -> tuple[list[np.ndarray], list[float]]:
    return train(NETS[name], "cpu", iter_size=iter_size, clip=clip)


def check(weights: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("name", NETS)
def test_weights_after_ten_iterations(machine: Callable[..., Cards], execute: Callable, name: str) -> None:
    cards = machine(execute=execute, seed=1)
    weights, losses = train(NETS[name], "gpu:0")
    check(weights, on_cpu(name)[0])
    np.testing.assert_allclose(losses, on_cpu(name)[1], rtol=1e-4)
    assert cards.replayed > 10


def test_options(machine: Callable[..., Cards], execute: Callable) -> None:
    cards = machine(execute=execute, seed=2)
    weights, _ = train(NETS["alexnet"], "gpu:0", CudaOptions(workspace=100 << 10, graphs=False))
    check(weights, on_cpu("alexnet")[0])
    assert cards.replayed == 0
