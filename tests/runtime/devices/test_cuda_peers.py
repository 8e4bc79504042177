"""One network over two cards and four, with copies between them in the worst order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from runtime.devices.cuda import CudaQueue
from tests.runtime.devices.fake_cupy import Cards
from tests.runtime.devices.networks import ALEXNET, BRANCHES, train

NETS = {"alexnet": ALEXNET, "branches": BRANCHES}


@pytest.fixture(scope="module")
def on_cpu() -> dict[str, list[np.ndarray]]:
    return {name: train(net, "cpu")[0] for name, net in NETS.items()}


def check(weights: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "cards", "split", "peers"),
    [
        ("alexnet", 2, "groups", False),
        ("alexnet", 4, "groups", True),
        ("alexnet", 2, "batch", True),
        ("branches", 2, "groups", True),
        ("branches", 2, "batch", True),
        ("branches", 4, "hybrid", True),
    ],
)
def test_weights_after_ten_iterations(machine: Callable[..., Cards], execute: Callable, on_cpu, name, cards, split, peers) -> None:
    for seed in (5,) if name == "alexnet" else range(2, 6):
        made = machine(count=cards, execute=execute, seed=seed, peers=peers)
        weights, _ = train(NETS[name], f"gpu:0-{cards - 1}", split=split)
        check(weights, on_cpu[name])
        assert made.sent > 0


def test_a_wait_for_a_peer_that_is_missing_gives_wrong_weights(
    machine: Callable[..., Cards], execute: Callable, on_cpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CudaQueue, "wait", lambda self, event: None)
    for seed in range(10):
        machine(count=2, execute=execute, seed=seed)
        weights, _ = train(ALEXNET, "gpu:0,gpu:1")
        if not all(np.allclose(*pair, rtol=1e-3, atol=1e-5) for pair in zip(weights, on_cpu["alexnet"], strict=True)):
            return
    pytest.fail("the stand-in did not see it")
